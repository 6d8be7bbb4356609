package wal

import (
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// relMapUpdate is XLOG_RELMAP_UPDATE of utils/relmapper.h, the only record of
// its resource manager: bits 4 to 6 of the info byte.
const relMapUpdate = 0

// RelMapRecord is xl_relmap_update of utils/relmapper.h, the same in all
// versions: a new map of the files of mapped catalogs.
type RelMapRecord struct {
	Database   pg.OID // 0: the map of the shared catalogs
	Tablespace pg.OID
	Map        []byte // the content of pg_filenode.map; the record's own memory
}

// RelMapUpdate decodes a record that gives mapped catalogs other files; ok is
// false for every other record.
func (r *Record) RelMapUpdate() (update RelMapRecord, ok bool, err error) {
	if r.Rmgr != RmgrRelMap || r.Info>>4&7 != relMapUpdate {
		return update, false, nil
	}
	in := binreader.New(r.Main)
	update.Database, update.Tablespace = pg.OID(in.Uint32()), pg.OID(in.Uint32())
	if length := in.Int32(); length >= 0 {
		update.Map = in.Bytes(int(length))
	}
	return update, true, in.Err()
}
