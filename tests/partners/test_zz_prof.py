import cProfile, pstats, time, json
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from .test_desk import SHIP
def test_prof(partner, ask):
    refs=[ask(partner,n).reference for n in range(1,120)]
    c=Client(); h=partner.headers()
    def life(r):
        c.get(f"/api/v1/fulfilment-requests/{r}",headers=h)
        for a in ("accept","start","pick","pack"):
            assert c.post(f"/api/v1/fulfilment-requests/{r}/{a}",b"{}",content_type="application/json",headers=h|{"Idempotency-Key":r+a}).status_code==202
        assert c.post(f"/api/v1/fulfilment-requests/{r}/ship",json.dumps({**SHIP,"shipment":r}),content_type="application/json",headers=h|{"Idempotency-Key":r+"s"}).status_code==202
    life(refs[0])
    with CaptureQueriesContext(connection) as q:
        c.post(f"/api/v1/fulfilment-requests/{refs[1]}/accept",b"{}",content_type="application/json",headers=h|{"Idempotency-Key":"zz"})
    for x in q.captured_queries: print(x["time"], x["sql"][:150].replace("\n"," "))
    t=time.time()
    for r in refs[2:60]: life(r)
    print("ms per call", 1000*(time.time()-t)/58/6)
    p=cProfile.Profile(); p.enable()
    for r in refs[60:]: life(r)
    p.disable(); s=pstats.Stats(p); s.sort_stats("cumulative").print_stats(60)
