"""Page tables as values, no machine needed: schemes, entries, building and editing tables, and the walk.

`PageTable()` alone is a good start: `map` a page, then `walk` to it. For two stages, give a guest memory of
its own: `host = PageTable(scheme="Sv39x4")`, `guest = PageTable(GuestRam(host))`, `guest.walk(…, host=host)`.

Its chapters, in an order in which they can be read: `schemes` and `formats` are data, the shape of addresses and
tables, and the bits of entries; `entries` has the rules that judge these. `walk` is one walk, of one stage, and
`twostage` adds the second. `tables` builds and edits; `memory` and `guestram` are where, without a machine. `many`
walks to arrays of addresses, block by block (`descent`), with the result `walks`; `arrays` shows a table as one of
numpy's, and `graphs` a walk as a graph.
"""

from vlab.paging.arrays import table_array as table_array
from vlab.paging.arrays import table_bytes as table_bytes
from vlab.paging.entries import FLAGS as FLAGS
from vlab.paging.entries import Entry as Entry
from vlab.paging.entries import access_of as access_of
from vlab.paging.entries import classify as classify
from vlab.paging.entries import decode as decode
from vlab.paging.entries import entry as entry
from vlab.paging.entries import flags_of as flags_of
from vlab.paging.entries import mode_of as mode_of
from vlab.paging.entries import permits as permits
from vlab.paging.entries import rule_text as rule_text
from vlab.paging.formats import RISCV as RISCV
from vlab.paging.formats import X86 as X86
from vlab.paging.formats import Flags as Flags
from vlab.paging.formats import Format as Format
from vlab.paging.formats import X86Flags as X86Flags
from vlab.paging.guestram import GuestRam as GuestRam
from vlab.paging.many import walk_many as walk_many
from vlab.paging.memory import Frames as Frames
from vlab.paging.memory import Memory as Memory
from vlab.paging.memory import Store as Store
from vlab.paging.schemes import PAGE_SHIFT as PAGE_SHIFT
from vlab.paging.schemes import PAGE_SIZE as PAGE_SIZE
from vlab.paging.schemes import SCHEMES as SCHEMES
from vlab.paging.schemes import SV32 as SV32
from vlab.paging.schemes import SV32X4 as SV32X4
from vlab.paging.schemes import SV39 as SV39
from vlab.paging.schemes import SV39X4 as SV39X4
from vlab.paging.schemes import SV48 as SV48
from vlab.paging.schemes import SV48X4 as SV48X4
from vlab.paging.schemes import SV57 as SV57
from vlab.paging.schemes import SV57X4 as SV57X4
from vlab.paging.schemes import X86_64 as X86_64
from vlab.paging.schemes import X86_64_LA57 as X86_64_LA57
from vlab.paging.schemes import Satp as Satp
from vlab.paging.schemes import Scheme as Scheme
from vlab.paging.schemes import make_satp as make_satp
from vlab.paging.schemes import parse_satp as parse_satp
from vlab.paging.schemes import scheme_of as scheme_of
from vlab.paging.schemes import size_text as size_text
from vlab.paging.tables import Mapping as Mapping
from vlab.paging.tables import PageTable as PageTable
from vlab.paging.twostage import walk_two_stages as walk_two_stages
from vlab.paging.walk import G_STAGE as G_STAGE
from vlab.paging.walk import S_STAGE as S_STAGE
from vlab.paging.walk import VS_STAGE as VS_STAGE
from vlab.paging.walk import Host as Host
from vlab.paging.walk import Step as Step
from vlab.paging.walk import Update as Update
from vlab.paging.walk import Walk as Walk
from vlab.paging.walk import walk as walk
from vlab.paging.walks import NOWHERE as NOWHERE
from vlab.paging.walks import Walks as Walks
