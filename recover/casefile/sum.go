package casefile

import (
	"encoding/binary"
	"hash/crc32"

	"zombiezen.com/go/sqlite"
)

// recordNumbers is how many numbers a row and a ledger line have.
const recordNumbers = 19

// record is a row or a ledger line on its way into the database: the numbers in
// the order of insertRow or insertLedger, and where its texts are.
type record struct {
	numbers   [recordNumbers]int64
	from      int // of its values in the batch's text; key, successor and origins follow
	data      int // bytes
	key       int
	successor int
	origins   int
	sum       int32
	ledger    bool
}

// columnType is what a number of the record is in the database.
func (rec *record) columnType(i int) sqlite.ColumnType {
	nullable := uint32(rowNullable)
	if rec.ledger {
		nullable = ledgerNullable
	}
	if rec.numbers[i] == 0 && nullable>>i&1 == 1 {
		return sqlite.TypeNull
	}
	return sqlite.TypeInteger
}

// length is that of all texts of a row.
func (rec *record) length() int { return rec.data + rec.key + rec.successor + rec.origins }

// Parameters of which 0 is written as NULL, by bit.
const (
	rowNullable    = 1<<11 | 1<<13 | 1<<14 | 1<<15                // source, operation, commit time, note
	ledgerNullable = 1<<9 | 1<<10 | 1<<11 | 1<<12 | 1<<17 | 1<<18 // operation to settled_by, reason, copy
)

// checksum sums a record up: CRC-32C of its numbers, 8 bytes each, the least
// significant first, and its texts: values, key, successor, origins. The run is left
// out: the same content may be found by another one.
func (rec *record) checksum(text []byte) int32 {
	var numbers [8 * recordNumbers]byte
	for i, n := range rec.numbers {
		binary.LittleEndian.PutUint64(numbers[8*i:], uint64(n))
	}
	clear(numbers[8*numberRun : 8*numberRun+8])
	table := crc32.MakeTable(crc32.Castagnoli)
	return int32(crc32.Update(crc32.Checksum(numbers[:], table), table, text))
}

// numberRun is where the run stands among the numbers.
const numberRun = 1
