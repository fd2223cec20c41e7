"""Other indexes, asked as Hilum is: behind a Unix socket, or in the process that asks.

    peers.py faiss VECTORS.npy TENTHS.npy INDEX SOCKET        answers `SEARCH vec=f32:… k=10 [tenth=0]` with one object a hit
"""
import base64, json, shutil, socketserver, sys, threading, time
from pathlib import Path

import numpy

M, EF_CONSTRUCTION, EF = 16, 100, 64


def faiss_index(vectors, file: Path):
    """HNSW over 8-bit codes, as Hilum's; made unless it is there."""
    import faiss

    if not file.exists():
        index = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        index.train(vectors)
        index.add(vectors)
        faiss.write_index(index, str(file))
    return faiss.read_index(str(file))


def serve_faiss(vectors_file: str, tenths_file: str, index_file: str, path: str) -> None:
    """A thread a connection, as a service in Python would be written; searches run without the interpreter's lock."""
    import faiss

    index = faiss_index(numpy.load(vectors_file, mmap_mode="r"), Path(index_file))
    # A thread a client searches by itself.
    faiss.omp_set_num_threads(1)
    plain = faiss.SearchParametersHNSW(efSearch=EF)
    chosen = faiss.SearchParametersHNSW(sel=faiss.IDSelectorBatch(numpy.flatnonzero(numpy.load(tenths_file) == 0)), efSearch=EF)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                words = line.split()
                if words[0] == b"PING":
                    self.wfile.write(b"OK PONG\n")
                    continue
                vector = numpy.frombuffer(base64.b64decode(words[1].partition(b":")[2]), "<f4")[None]
                start = time.perf_counter()
                scores, items = index.search(vector, 10, params=chosen if b"tenth=0" in line else plain)
                used = int(1e6 * (time.perf_counter() - start))
                hits = [json.dumps({"rank": rank + 1, "id": f"c{item:07}", "score": round(float(score), 6)})
                        for rank, (item, score) in enumerate(zip(items[0], scores[0])) if item >= 0]
                self.wfile.write(("\n".join(hits + [f"OK hits={len(hits)} us={used}"]) + "\n").encode())

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        request_queue_size = 256

    Server(path, Handler).serve_forever()


def in_process(search, queries, threads: int, seconds: float) -> tuple[float, list[float]]:
    """Requests a second and their latencies, ascending, of so many threads that call `search` in turns."""
    latencies: list[list[float]] = [[] for _ in range(threads)]
    begin = time.perf_counter() + 0.05
    end = begin + seconds

    def work(number: int) -> None:
        place = number * 37
        time.sleep(max(0.0, begin - time.perf_counter()))
        now = time.perf_counter()
        while now < end:
            search(queries[place % len(queries)])
            place += 1
            last, now = now, time.perf_counter()
            latencies[number].append(now - last)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    together = sorted(value for each in latencies for value in each)
    return len(together) / seconds, together


def zvec_search(vectors, folder: Path):
    """HNSW over 8-bit codes; made anew, as an opened collection cannot be told whether it is whole."""
    import zvec

    shutil.rmtree(folder, ignore_errors=True)
    index = zvec.HnswIndexParam(metric_type=zvec.MetricType.COSINE, m=M, ef_construction=EF_CONSTRUCTION, quantize_type=zvec.QuantizeType.INT8)
    field = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, vectors.shape[1], index_param=index)
    collection = zvec.create_and_open(str(folder), zvec.CollectionSchema("cases", vectors=field))
    for first in range(0, len(vectors), 1000):
        collection.insert([zvec.Doc(str(first + place), vectors={"v": row.tolist()}) for place, row in enumerate(vectors[first:first + 1000])])
    collection.optimize()
    parameters = zvec.HnswQueryParam(ef=EF)

    def search(query) -> list[int]:
        return [int(hit.id) for hit in collection.query(zvec.Query("v", vector=query, param=parameters), topk=10)]

    return search


def qdrant_search(vectors, folder: Path):
    """HNSW over 8-bit codes, hits ordered by the vectors themselves."""
    import qdrant_edge as qdrant

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shard = qdrant.EdgeShard.create(str(folder), qdrant.EdgeConfig(
        vectors=qdrant.EdgeVectorParams(vectors.shape[1], qdrant.Distance.Cosine), hnsw_config=qdrant.HnswIndexConfig(M, EF_CONSTRUCTION, 100),
        quantization_config=qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=100)))
    for first in range(0, len(vectors), 1000):
        shard.update(qdrant.UpdateOperation.upsert_points(
            [qdrant.Point(first + place, row.tolist()) for place, row in enumerate(vectors[first:first + 1000])]))
    shard.optimize()
    parameters = qdrant.SearchParams(hnsw_ef=EF)

    def search(query) -> list[int]:
        return [hit.id for hit in shard.query(qdrant.QueryRequest(10, query=qdrant.Query.Nearest(query.tolist()), params=parameters))]

    return search


IN_PROCESS = {"zvec": zvec_search, "qdrant-edge": qdrant_search}


if __name__ == "__main__":
    if sys.argv[1] == "faiss":
        serve_faiss(*sys.argv[2:6])
