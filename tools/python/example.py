"""Asks a daemon for cases like an image: example.py SOCKET IMAGE (PNG, JPEG or DICOM)."""
import sys
from pathlib import Path

import hilum

with hilum.Client(sys.argv[1], timeout=10) as client:
    print(client.hello().cases, "cases")
    image = Path(sys.argv[2]).read_bytes()
    for hit in client.search(image=image, where={"view": ["PA", "AP"]}, k=5):
        print(f"{hit.rank}  {hit.score:.4f}  {hit.id}  {', '.join(hit.findings)}")

    client.put("new-1", image=image, report="Effusion on the left.", view="PA", date="2026-01-31")
    for hit in client.search("left effusion", unlike="new-1", include="report", k=3):
        print(hit.id, (hit.report or "").splitlines()[:1])
    try:
        client.get("nobody")
    except hilum.NotFound as error:
        print(error.code, error.text)
    client.delete("new-1")
