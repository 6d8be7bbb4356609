package catalog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// pg_filenode.map tells the file numbers of mapped relations (RelMapFile in
// utils/cache/relmapper.c). Up to 15 it has room for 62 of them in 512 bytes,
// from 16 on for 64 in 524; the CRC stands behind the room.
const (
	relMapMagic     = 0x592717 // RELMAPPER_FILEMAGIC
	relMapHead      = 8
	relMapEntry     = 8
	relMapMost      = 64
	relMapReadLimit = 1024
)

// RelMap is a decoded pg_filenode.map: catalog OID to file number.
type RelMap map[pg.OID]pg.RelFileNumber

// ReadRelMap reads pg_filenode.map of a database's directory, or of global; trail may be nil.
func ReadRelMap(dir string, trail *evidence.Trail) (RelMap, error) {
	path := filepath.Join(dir, "pg_filenode.map")
	raw, err := readHead(trail, path, evidence.KindMap, relMapReadLimit)
	if err != nil {
		return nil, fmt.Errorf("catalog: read file number map: %w", err)
	}
	m, err := DecodeRelMap(raw)
	if err != nil {
		return nil, fmt.Errorf("catalog: read file number map %s: %w", path, err)
	}
	return m, nil
}

// DecodeRelMap decodes pg_filenode.map and checks its CRC.
func DecodeRelMap(raw []byte) (RelMap, error) {
	r := binreader.New(raw)
	magic, count := r.Uint32(), r.Uint32()
	switch {
	case !r.OK():
		return nil, fmt.Errorf("file is cut short: %w", r.Err())
	case magic != relMapMagic:
		return nil, fmt.Errorf("unknown magic 0x%X, want 0x%X", magic, relMapMagic)
	case count > relMapMost:
		return nil, fmt.Errorf("%d entries, at most %d are possible", count, relMapMost)
	}
	if !relMapIntact(raw) {
		return nil, errors.New("bad CRC")
	}
	m := make(RelMap, count)
	for range count {
		relation, file := pg.OID(r.Uint32()), pg.RelFileNumber(r.Uint32())
		m[relation] = file
	}
	if !r.OK() {
		return nil, fmt.Errorf("file is cut short: %w", r.Err())
	}
	return m, nil
}

// relMapIntact checks the CRC behind the room for 62 or for 64 entries.
func relMapIntact(raw []byte) bool {
	for _, room := range []int{62, relMapMost} {
		r := binreader.New(raw)
		covered := r.Bytes(relMapHead + room*relMapEntry)
		sum := r.Uint32()
		if r.OK() && crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli)) == sum {
			return true
		}
	}
	return false
}
