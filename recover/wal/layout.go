package wal

import "github.com/pgrescue/pgrescue/recover/pg"

// Layout is what differs between the WAL of two versions. Layouts are found by
// the page magic (XLOG_PAGE_MAGIC in access/xlog_internal.h); nothing else in
// this tree asks for a version number.
type Layout struct {
	Magic   uint16
	Version pg.Version
}
