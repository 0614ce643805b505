"""A recorded session of a service, held against the mocked one on the same audio and configuration.

`log` reads what was recorded, `sound` is the audio of its appends, `replay` plays the client's side to the engine on
virtual time, and `compare`, `fields` and `times` hold the two sides against each other, as rows. A file of rows as a
value to print and save is `sweep.fitting.agreement`.
"""
