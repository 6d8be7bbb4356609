package xact

import "github.com/pgrescue/pgrescue/recover/pg"

// Outcomes remembers how transactions ended, two bits each, as pg_xact does.
// The zero Outcomes knows of none.
type Outcomes struct {
	pages map[uint32]*[outcomesPageBytes]byte
}

const (
	outcomesPageBytes = 8192
	outcomesPerPage   = outcomesPageBytes * 4
	bitsCommitted     = 1
	bitsAborted       = 2
)

func (o *Outcomes) set(xid pg.XID, bits byte) {
	if o.pages == nil {
		o.pages = make(map[uint32]*[outcomesPageBytes]byte)
	}
	number := uint32(xid) / outcomesPerPage
	page := o.pages[number]
	if page == nil {
		page = new([outcomesPageBytes]byte)
		o.pages[number] = page
	}
	at := uint32(xid) % outcomesPerPage
	page[at/4] = page[at/4]&^(3<<(at%4*2)) | bits<<(at%4*2)
}

// Get tells how a transaction ended; Undecided when the WAL does not say.
func (o *Outcomes) Get(xid pg.XID) State {
	page := o.pages[uint32(xid)/outcomesPerPage]
	if page == nil {
		return Undecided
	}
	at := uint32(xid) % outcomesPerPage
	switch page[at/4] >> (at % 4 * 2) & 3 {
	case bitsCommitted:
		return Committed
	case bitsAborted:
		return Aborted
	}
	return Undecided
}
