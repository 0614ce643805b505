"""`python -m realtime_lab.cli`, which is `realtime-lab`."""

from realtime_lab.cli.commands import main

if __name__ == "__main__":
    main()
