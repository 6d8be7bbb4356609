package wal

import "fmt"

// minCustomRmgr is the first id of an extension's resource manager
// (RM_MIN_CUSTOM_ID in access/rmgr.h).
const minCustomRmgr RmgrID = 128

// String names the resource manager as pg_waldump does: the names of
// access/rmgrlist.h, or customNNN.
func (id RmgrID) String() string {
	names := [...]string{
		"XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby",
		"Heap2", "Heap", "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs",
		"ReplicationOrigin", "Generic", "LogicalMessage",
	}
	switch {
	case int(id) < len(names):
		return names[id]
	case id >= minCustomRmgr:
		return fmt.Sprintf("custom%03d", uint8(id))
	}
	return fmt.Sprintf("unknown%03d", uint8(id))
}

// MarshalText lets a resource manager stand in JSON by its name.
func (id RmgrID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// RmgrSet is a set of resource managers. The zero set means all of them.
type RmgrSet struct {
	bits [4]uint64
}

// Rmgrs makes the set of the given resource managers.
func Rmgrs(ids ...RmgrID) RmgrSet {
	var s RmgrSet
	for _, id := range ids {
		s.bits[id>>6] |= 1 << (id & 63)
	}
	return s
}

// Has reports whether the set holds the resource manager.
func (s *RmgrSet) Has(id RmgrID) bool {
	return s.bits[id>>6]&(1<<(id&63)) != 0 || *s == RmgrSet{}
}
