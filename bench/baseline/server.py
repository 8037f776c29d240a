"""The baseline's HTTP server: Flask on waitress, sessions loaded before the port opens.

    python -m baseline.server --gan GAN.onnx --nogan NOGAN.onnx --avatar FOLDER --port PORT

POST /api/generate (one model) and /api/generate_parallel (both) take a form with the file `audio`
and answer with the MP4; the header X-Timings-Ms has every step as JSON. GET /api/health.
"""

import argparse
import json
import tempfile
from pathlib import Path

import waitress
from flask import Flask, Response, request

from baseline.avatar import Avatar
from baseline.painter import Painter
from baseline.render import render

# Requests at the same time; as many as the comparison sends.
SERVER_THREADS = 16


def application(painters: dict[str, Painter], avatar: Avatar, work: Path) -> Flask:
    app = Flask(__name__)

    def answer(chosen: dict[str, Painter]) -> Response:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            audio = Path(folder, "audio.wav")
            request.files["audio"].save(audio)
            video, times = render(audio, chosen, avatar)
            content = video.read_bytes()
        headers = {"X-Timings-Ms": json.dumps(times)}
        return Response(content, mimetype="video/mp4", headers=headers)

    @app.post("/api/generate")
    def generate() -> Response:
        return answer({"gan": painters["gan"]})

    @app.post("/api/generate_parallel")
    def generate_parallel() -> Response:
        return answer(painters)

    @app.get("/api/health")
    def health() -> dict:
        return {"status": "ready"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("gan", "nogan", "avatar", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True, help="of one session")
    parser.add_argument("--batch-size", type=int, default=16)
    args = parser.parse_args()
    graphs = {"gan": args.gan, "nogan": args.nogan}
    painters = {
        name: Painter(graph, args.threads, args.batch_size) for name, graph in graphs.items()
    }
    app = application(painters, Avatar.load(args.avatar), args.work)
    waitress.serve(app, host="127.0.0.1", port=args.port, threads=SERVER_THREADS)


if __name__ == "__main__":
    main()
