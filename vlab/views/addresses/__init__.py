"""The way of an address: walks, tables, the memory map, the TLB."""
