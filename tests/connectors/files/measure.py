"""As a process of its own: polls a file of so many rows, and prints how many deliveries there were and the most memory held, in kB."""

import resource
import sys
from pathlib import Path

from tests.connectors.files.house import NAME, House

house = House(Path(sys.argv[1]))
path = house.folder / NAME
with path.open("w") as lines:  # line by line: the writer would hold all of it
    lines.write("SKU;Units\n")
    lines.writelines(f"SKU-{n:06};1\n" for n in range(int(sys.argv[2])))
    lines.write(f"END;{sys.argv[2]};{sys.argv[2]}\n")
house.settle(NAME)
deliveries = 0
for page in house.pages():
    deliveries += len(page.heard)
    house.heard.clear()
print(deliveries, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
