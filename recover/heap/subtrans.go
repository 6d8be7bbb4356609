package heap

import (
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Four bytes for each transaction (access/transam/subtrans.c).
const parentsPerPage = pg.BlockSize / 4 // SUBTRANS_XACTS_PER_PAGE

// SubTrans is pg_subtrans of a data directory: the parent of each subtransaction.
// The server needs it only while they run. It keeps the files a while, and
// makes their pages anew when it starts, so that what is not there proves nothing.
type SubTrans struct {
	pages *slru
}

// OpenSubTrans opens pg_subtrans.
func (d DataDir) OpenSubTrans() (*SubTrans, error) {
	pages, err := openSLRU(filepath.Join(d.Path, "pg_subtrans"), d.Trail)
	if err != nil {
		return nil, err
	}
	return &SubTrans{pages: pages}, nil
}

// maxDepth bounds the way from a subtransaction to its toplevel transaction; a
// damaged file may lead in a circle.
const maxDepth = 10000

// Top finds the toplevel transaction of a subtransaction; 0 if it is none, or if
// nothing is known of it. It may be called from several goroutines.
func (s *SubTrans) Top(xid pg.XID) pg.XID {
	var top pg.XID
	for range maxDepth {
		page, err := s.pages.page(uint32(xid) / parentsPerPage)
		if err != nil {
			break
		}
		r := binreader.New(page)
		r.Seek(int(uint32(xid)%parentsPerPage) * 4)
		parent := pg.XID(r.Uint32())
		if !parent.Normal() || !parent.Precedes(xid) {
			break
		}
		top, xid = parent, parent
	}
	return top
}
