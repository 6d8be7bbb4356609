package heap

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// MemberStatus is what a member of a multixact did to the tuple
// (MultiXactStatus in access/multixact.h).
type MemberStatus uint8

// The states of a member; the last two changed the tuple.
const (
	MemberForKeyShare MemberStatus = iota
	MemberForShare
	MemberForNoKeyUpdate
	MemberForUpdate
	MemberNoKeyUpdate
	MemberUpdate
)

// Updates reports whether the member updated or deleted the tuple; the others
// only locked it (ISUPDATE_from_mxstatus).
func (s MemberStatus) Updates() bool { return s > MemberForUpdate }

// String names the state as pg_get_multixact_members does.
func (s MemberStatus) String() string {
	names := [...]string{"keysh", "sh", "fornokeyupd", "forupd", "nokeyupd", "upd"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// Member is one transaction of a multixact.
type Member struct {
	XID    pg.XID
	Status MemberStatus
}

// Layout of pg_multixact up to 18 (access/transam/multixact.c): offsets are one
// 32-bit word for each multixact; members come in groups of four flag bytes and
// four XIDs, and no group crosses a page.
const (
	offsetsPerPage  = pg.BlockSize / 4
	membersPerGroup = 4
	memberGroupSize = membersPerGroup * (1 + 4)
	groupsPerPage   = pg.BlockSize / memberGroupSize
	membersPerPage  = groupsPerPage * membersPerGroup

	// maxMembers bounds what one multixact can plausibly hold: a member is a live
	// transaction or subtransaction.
	maxMembers = 1 << 20
)

// ErrNoMultiXact tells that pg_multixact on disk does not know a multixact: it
// was truncated away, or it never reached the disk and only the WAL has it.
var ErrNoMultiXact = errors.New("multixact is not on disk")

// MultiXact is pg_multixact of a data directory: the transactions that share
// the xmax of a tuple.
type MultiXact struct {
	offsets, members *slru
}

// OpenMultiXact opens pg_multixact.
func (d DataDir) OpenMultiXact() (*MultiXact, error) {
	dir := filepath.Join(d.Path, "pg_multixact")
	offsets, err := openSLRU(filepath.Join(dir, "offsets"), d.Trail)
	if err != nil {
		return nil, &evidence.Error{Op: "heap: open multixact offsets", Place: dir, Err: err}
	}
	members, err := openSLRU(filepath.Join(dir, "members"), d.Trail)
	if err != nil {
		return nil, &evidence.Error{Op: "heap: open multixact members", Place: dir, Err: err}
	}
	return &MultiXact{offsets: offsets, members: members}, nil
}

// Members lists the transactions of a multixact (GetMultiXactIdMembers in
// multixact.c). The error wraps ErrNoMultiXact when the files do not hold it.
// It may be called from several goroutines.
func (m *MultiXact) Members(id pg.XID) ([]Member, error) {
	if id == pg.InvalidXID {
		return nil, fmt.Errorf("heap: members of multixact 0: %w", ErrNoMultiXact)
	}
	members, err := m.read(id)
	if err != nil {
		return nil, fmt.Errorf("heap: members of multixact %d: %w", id, err)
	}
	return members, nil
}

// Updater is the one member that updated or deleted the tuple, or
// pg.InvalidXID when all of them merely locked it (MultiXactIdGetUpdateXid in heapam.c).
func (m *MultiXact) Updater(id pg.XID) (pg.XID, error) {
	members, err := m.Members(id)
	if err != nil {
		return pg.InvalidXID, err
	}
	for _, member := range members {
		if member.Status.Updates() {
			return member.XID, nil
		}
	}
	return pg.InvalidXID, nil
}

// read collects the members from the multixact's offset to the next one's. The
// newest multixact has no next one on disk in older minor versions: then the
// first member that was never written ends it.
func (m *MultiXact) read(id pg.XID) ([]Member, error) {
	from, err := m.offset(id)
	if err != nil {
		return nil, err
	}
	if from == 0 {
		return nil, fmt.Errorf("%w: its offset was never written", ErrNoMultiXact)
	}
	next := id + 1
	if next == pg.InvalidXID {
		next = 1 // FirstMultiXactId: ids wrap around
	}
	to, err := m.offset(next)
	newest := to == 0 || errors.Is(err, ErrNoMultiXact)
	if newest && m.laterOffset(next) {
		return nil, fmt.Errorf("%w: the offset of the next one was never written", ErrNoMultiXact)
	}
	if count := to - from; !newest && count > maxMembers {
		return nil, fmt.Errorf("offsets %d and %d make %d members, which cannot be", from, to, count)
	}
	var members []Member
	for at := from; newest || at != to; at++ {
		member, err := m.member(at)
		switch {
		case err != nil && newest && len(members) > 0:
			return members, nil
		case err != nil:
			return nil, err
		case member.XID == pg.InvalidXID && newest:
			return orNone(members)
		case member.XID == pg.InvalidXID:
			continue // offset 0 is skipped when offsets wrap around
		case member.Status > MemberUpdate:
			return nil, fmt.Errorf("member %d has the unknown %s", at, member.Status)
		case len(members) >= maxMembers:
			return nil, fmt.Errorf("more than %d members, which cannot be", maxMembers)
		}
		members = append(members, member)
	}
	return orNone(members)
}

func orNone(members []Member) ([]Member, error) {
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: its members were never written", ErrNoMultiXact)
	}
	return members, nil
}

// offset reads where the members of a multixact begin; 0 means never written.
func (m *MultiXact) offset(id pg.XID) (uint32, error) {
	page, err := m.offsets.page(uint32(id) / offsetsPerPage)
	if err != nil {
		return 0, fmt.Errorf("%w: offset: %w", ErrNoMultiXact, err)
	}
	r := binreader.New(page)
	r.Seek(int(uint32(id)%offsetsPerPage) * 4)
	return r.Uint32(), r.Err()
}

// laterOffset reports whether a multixact after id has an offset on the same
// page: then a missing one before it does not mean that there are no more.
func (m *MultiXact) laterOffset(id pg.XID) bool {
	page, err := m.offsets.page(uint32(id) / offsetsPerPage)
	if err != nil {
		return false
	}
	r := binreader.New(page)
	r.Seek(int(uint32(id)%offsetsPerPage) * 4)
	return !allZero(r.Rest())
}

// member reads one member by its offset.
func (m *MultiXact) member(at uint32) (Member, error) {
	page, err := m.members.page(at / membersPerPage)
	if err != nil {
		return Member{}, fmt.Errorf("%w: member: %w", ErrNoMultiXact, err)
	}
	group := int(at/membersPerGroup%groupsPerPage) * memberGroupSize
	within := int(at % membersPerGroup)
	flags, xids := binreader.New(page), binreader.New(page)
	flags.Seek(group + within)
	xids.Seek(group + membersPerGroup + within*4)
	return Member{XID: pg.XID(xids.Uint32()), Status: MemberStatus(flags.Uint8())}, xids.Err()
}
