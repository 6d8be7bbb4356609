package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pglogrepl"

	"github.com/pgrescue/pgrescue/recover/live"
)

// slot keeps the server from recycling WAL that is still to be fetched. A nil
// slot keeps nothing.
type slot struct {
	name string
	kept bool // it stays on the server, and moves with what is on disk
}

// use is the name to start with, "" for no slot.
func (s *slot) use() string {
	if s == nil {
		return ""
	}
	return s.name
}

// temporarySlot makes a slot that ends with this connection, also when this
// process is killed, and with the first command that the server refuses. errNoSlot
// means that the server has none to spare.
func (s *Server) temporarySlot(ctx context.Context) (*slot, error) {
	const op = "create a temporary replication slot at"
	made := &slot{name: fmt.Sprintf("pgrescue_wal_fetch_%d", s.conn.PID())}
	err := s.createSlot(ctx, made)
	if code := live.Code(err); code == codeLimitExceeded || code == codeWrongState {
		return nil, s.failure(op, errNoSlot, err, "")
	}
	if err != nil {
		return nil, s.commandFailure(ctx, op, err)
	}
	return made, nil
}

// keptSlot takes the slot of that name, or makes it.
func (s *Server) keptSlot(ctx context.Context, name string) (*slot, error) {
	made := &slot{name: name, kept: true}
	if err := s.createSlot(ctx, made); err != nil && live.Code(err) != codeDuplicateObject {
		return nil, s.commandFailure(ctx, "create replication slot "+name+" at", err)
	}
	return made, nil
}

// ValidSlotName reports whether a slot can have that name
// (ReplicationSlotValidateName in slot.c).
func ValidSlotName(name string) bool {
	return name != "" && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// createSlot makes a slot that holds WAL from the last checkpoint on, at once.
func (s *Server) createSlot(ctx context.Context, made *slot) error {
	_, err := pglogrepl.CreateReplicationSlot(ctx, s.conn, quoteSlot(made.name), "", pglogrepl.CreateReplicationSlotOptions{
		Temporary: !made.kept, Mode: pglogrepl.PhysicalReplication, SnapshotAction: "RESERVE_WAL",
	})
	return err
}

// takeSlot gets the slot that the next leg needs, if there is none yet.
func (f *fetcher) takeSlot(ctx context.Context) error {
	if f.slot != nil || f.noSlot {
		return nil
	}
	if f.options.Slot != "" {
		var err error
		f.slot, err = f.server.keptSlot(ctx, f.options.Slot)
		return err
	}
	held := int64(f.server.identity.LSN - min(f.at, f.server.identity.LSN))
	limit, err := f.server.slotLimit(ctx)
	switch {
	case err != nil:
		return err
	case limit >= 0 && limit < held:
		f.goWithoutSlot(fmt.Sprintf("max_slot_wal_keep_size allows a slot %d MB, and %d MB are to be fetched", limit>>20, held>>20))
		return nil
	}
	f.slot, err = f.server.temporarySlot(ctx)
	if errors.Is(err, errNoSlot) {
		f.goWithoutSlot(err.Error())
		return nil
	}
	return err
}

// goWithoutSlot fetches on, and says what that means.
func (f *fetcher) goWithoutSlot(why string) {
	f.noSlot = true
	if f.options.Notice != nil {
		f.options.Notice("no slot holds the WAL back while it is fetched, so the server may remove some before its turn: " + why)
	}
}

// dropSlot removes a temporary slot before the connection ends: from here on WAL
// comes as it is written. A kept slot stays in use.
func (f *fetcher) dropSlot(ctx context.Context) error {
	if f.slot == nil || f.slot.kept {
		return nil
	}
	f.noSlot = true
	name := f.slot.name
	f.slot = nil
	err := pglogrepl.DropReplicationSlot(ctx, f.server.conn, quoteSlot(name), pglogrepl.DropReplicationSlotOptions{})
	if err != nil {
		return f.server.commandFailure(ctx, "drop replication slot "+name+" at", err)
	}
	return nil
}

// slotLimit is how much WAL the server lets a slot keep (max_slot_wal_keep_size);
// -1 is as much as there is.
func (s *Server) slotLimit(ctx context.Context) (int64, error) {
	const name = "max_slot_wal_keep_size"
	text, err := s.show(ctx, name)
	if live.Code(err) == codeUndefinedParameter {
		return -1, nil // it is younger than the server
	}
	if err != nil {
		return 0, s.commandFailure(ctx, "ask for "+name, err)
	}
	limit, err := parseSize(text)
	if err != nil {
		return 0, s.failure("ask for "+name, ErrNoWAL, err, "")
	}
	return limit, nil
}

// quoteSlot quotes the name of a slot, which is only of letters that need it not:
// the grammar of the commands takes no keyword as a name.
func quoteSlot(name string) string { return `"` + name + `"` }
