"""The service on a real photo: a server takes it, its worker is killed, the file comes all the same."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import psutil
from PIL import Image

import inr
from inr.cli.terminal import say
from inr.client import PreviewReady, ProgressMade, StateChanged

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=800)
parser.add_argument("--out", type=Path, default=Path("demo"))
arguments = parser.parse_args()
out: Path = arguments.out
out.mkdir(parents=True, exist_ok=True)

serve = [sys.executable, "-m", "inr", "serve", "--listen", "127.0.0.1:0", "--data", str(out / "server")]
serve += ["--workers", "1", "--checkpoint-seconds", "1"]
with (out / "server.log").open("w") as log:
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True)
try:
    line = server.stdout.readline() if server.stdout else ""
    address = re.search(r"127\.0\.0\.1:\d+", line)
    if address is None:
        raise SystemExit(f"the server did not start; see {out / 'server.log'}")
    say(f"server: {line.strip()}")
    with inr.Client(address[0]) as client:
        job = client.submit(Path(__file__).with_name("coffee.png"), steps=arguments.steps, layers=3)
        say(f"job:    {job.id}")
        killed, shown = False, -1.0
        for event in job.watch():
            if isinstance(event, StateChanged):
                say(f"        {event.state}, attempt {event.attempts}")
            elif isinstance(event, PreviewReady):
                (out / "preview.png").write_bytes(event.png)
            elif isinstance(event, ProgressMade) and (event.share >= shown + 0.1 or event.share < shown):
                shown = event.share
                say(f"        {event.share:4.0%}  step {event.step}  {event.psnr:.2f} dB")
                if event.share > 0.4 and not killed:  # as a machine that runs out of memory would
                    [worker] = [p for maker in psutil.Process(server.pid).children() for p in maker.children()]
                    say(f"        killing worker {worker.pid}")
                    worker.kill()
                    killed = True
        info = job.fetch(out / "service.inr")
        if info.result is not None:
            say(f"file:   {info.result.bytes} bytes, {info.result.psnr:.2f} dB, {info.attempts} attempts")
        for field, (part, layer) in zip(client.open_progressively(job), client.stream(job), strict=True):
            Image.fromarray(field.decode(scale=3)).save(out / f"service_3x_layer{layer.number}.png")
            say(f"layer {layer.number}: {len(part)} bytes, {layer.psnr:.2f} dB, decoded at 3x")
finally:
    server.terminate()
    server.wait()
say(f"written: {', '.join(str(path) for path in sorted(out.glob('service*.*')))}, {out / 'preview.png'}")
