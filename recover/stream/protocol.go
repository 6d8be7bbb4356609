package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// statusEvery is how often the server hears from us without asking. It drops a
// receiver that is silent for wal_sender_timeout, a minute by default, and asks
// before it does.
const statusEvery = 10 * time.Second

// start sends START_REPLICATION. The answer, also a refusal, comes with the messages
// that follow. pglogrepl's own cannot start without a slot.
func (s *Server) start(slot string, timeline pg.TimelineID, from pg.LSN) error {
	command := "START_REPLICATION "
	if slot != "" {
		command += "SLOT " + quoteSlot(slot) + " "
	}
	command += fmt.Sprintf("PHYSICAL %s TIMELINE %d", from, timeline)
	s.conn.Frontend().SendQuery(&pgproto3.Query{String: command})
	return s.conn.Frontend().Flush()
}

// probe asks whether the server still has the segment that begins at a place.
func (s *Server) probe(ctx context.Context, timeline pg.TimelineID, at pg.LSN) (bool, error) {
	op := fmt.Sprintf("ask for WAL at %s of timeline %d", at, timeline)
	if err := s.start("", timeline, at); err != nil {
		return false, s.commandFailure(ctx, op, err)
	}
	for {
		message, err := s.conn.ReceiveMessage(ctx)
		if err != nil {
			return false, s.commandFailure(ctx, op, err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			if len(m.Data) == 0 || m.Data[0] != pglogrepl.XLogDataByteID {
				continue
			}
			_, err := s.stop(ctx, op)
			return err == nil, err
		case *pgproto3.ErrorResponse:
			err := s.refusal(ctx, op, m)
			if errors.Is(err, errRemoved) {
				err = nil
			}
			return false, err
		case *pgproto3.ReadyForQuery:
			return false, nil // a timeline that ends here holds nothing of it
		}
	}
}

// stop ends the stream from our side, and reads what is still on its way. follows
// tells that the server named a timeline that comes next.
func (s *Server) stop(ctx context.Context, op string) (follows bool, err error) {
	s.conn.Frontend().Send(&pgproto3.CopyDone{})
	if err := s.conn.Frontend().Flush(); err != nil {
		return false, s.commandFailure(ctx, op, err)
	}
	return s.drain(ctx, op)
}

// drain reads to the end of a command.
func (s *Server) drain(ctx context.Context, op string) (follows bool, err error) {
	var refused error
	for {
		message, err := s.conn.ReceiveMessage(ctx)
		if err != nil {
			return follows, s.commandFailure(ctx, op, err)
		}
		switch m := message.(type) {
		case *pgproto3.DataRow:
			follows = true
		case *pgproto3.ErrorResponse:
			refused = s.commandFailure(ctx, op, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.ReadyForQuery:
			return follows, refused
		}
	}
}

// errRemoved: the server has recycled the segment that comes next.
var errRemoved = errors.New("the server has removed it")

// refusal reads the rest of a command that the server refused, and says why it did.
func (s *Server) refusal(ctx context.Context, op string, m *pgproto3.ErrorResponse) error {
	said := pgconn.ErrorResponseToPgError(m)
	if _, err := s.drain(ctx, op); err != nil {
		return err
	}
	if said.Code == codeUndefinedFile || said.Routine == removedRoutine {
		return fmt.Errorf("%w: %s", errRemoved, said.Message)
	}
	return s.commandFailure(ctx, op, said)
}

// durability says how far the bytes of a leg are on disk. With a place it makes all
// before it durable first.
type durability func(upTo pg.LSN) (pg.LSN, error)

// stream receives one leg and hands its bytes to put, in order and without a
// hole. It returns when the leg is complete, the timeline ends, ctx ends, or
// something fails. durable says how far the bytes are on disk.
func (s *Server) stream(ctx context.Context, held *slot, l leg, put func(at pg.LSN, data []byte) error, durable durability) error {
	op := fmt.Sprintf("fetch WAL at %s of timeline %d from", l.from, l.timeline)
	if err := s.start(held.use(), l.timeline, l.from); err != nil {
		return s.commandFailure(ctx, op, err)
	}
	r := receiver{server: s, op: op, slot: held, durable: durable, position: l.from}
	r.rest(ctx)
	defer func() { r.cancel() }()
	for l.to == 0 || r.position < l.to {
		message, err := r.receive(ctx)
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			err = r.pin(ctx)
		case *pgproto3.CopyData:
			err = r.take(ctx, m.Data, put)
		case *pgproto3.CopyDone:
			follows, err := s.stop(ctx, op)
			if err == nil && !follows {
				err = s.failure(op, live.ErrLost, errors.New("the server shuts down"), "")
			}
			return err
		case *pgproto3.ErrorResponse:
			return s.refusal(ctx, op, m)
		case *pgproto3.ReadyForQuery:
			return nil // nothing of this timeline is left from here
		}
		if err != nil {
			return err
		}
	}
	_, err := s.stop(ctx, op)
	return err
}

// receiver is the stream of one leg.
type receiver struct {
	server   *Server
	op       string // for errors
	slot     *slot
	durable  durability
	position pg.LSN // of the next byte
	until    context.Context
	cancel   context.CancelFunc
	due      time.Time // of the next status
}

// rest begins the time until the next status.
func (r *receiver) rest(ctx context.Context) {
	if r.cancel != nil {
		r.cancel()
	}
	r.due = time.Now().Add(statusEvery)
	r.until, r.cancel = context.WithDeadline(ctx, r.due)
}

// receive waits for a message, and sends a status whenever one is due.
func (r *receiver) receive(ctx context.Context) (pgproto3.BackendMessage, error) {
	for {
		if time.Now().After(r.due) {
			if err := r.status(ctx, 0); err != nil {
				return nil, err
			}
			r.rest(ctx)
		}
		message, err := r.server.conn.ReceiveMessage(r.until)
		if err != nil && ctx.Err() == nil && pgconn.Timeout(err) {
			continue
		}
		if err != nil {
			return nil, r.server.commandFailure(ctx, r.op, err)
		}
		return message, nil
	}
}

// take reads a message of the stream: WAL, or a sign of life.
func (r *receiver) take(ctx context.Context, data []byte, put func(at pg.LSN, data []byte) error) error {
	if len(data) == 0 {
		return nil
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return r.server.failure(r.op, live.ErrLost, err, "")
		}
		if alive.ReplyRequested {
			return r.status(ctx, r.position)
		}
	case pglogrepl.XLogDataByteID:
		piece, err := pglogrepl.ParseXLogData(data[1:])
		if at := pg.LSN(piece.WALStart); err == nil && at != r.position {
			err = fmt.Errorf("the server sent WAL of %s, and %s is next", at, r.position)
		}
		if err != nil {
			return r.server.failure(r.op, live.ErrLost, err, "")
		}
		if err := put(r.position, piece.WALData); err != nil {
			return err
		}
		r.position += pg.LSN(len(piece.WALData))
	}
	return nil
}

// pin makes the slot hold what is still to come. A slot goes where its receiver
// says that it has flushed to, backwards too.
func (r *receiver) pin(ctx context.Context) error {
	if r.slot != nil && !r.slot.kept {
		if err := r.tell(ctx, r.position); err != nil {
			return err
		}
	}
	return r.status(ctx, 0)
}

// status tells the server that we are alive, how far we have received, and for a kept
// slot how far our bytes are on disk, upTo at least. A server that shuts down waits
// for a receiver until that is all of its log (WalSndDone in walsender.c). Without a
// kept slot it is never told that anything is on disk: a receiver that claims so
// counts as a synchronous standby where synchronous_standby_names lets it.
func (r *receiver) status(ctx context.Context, upTo pg.LSN) error {
	if r.slot == nil || !r.slot.kept {
		return r.tell(ctx, 0)
	}
	flushed, err := r.durable(upTo)
	if err != nil {
		return err
	}
	return r.tell(ctx, flushed)
}

// tell sends a status message; the server's side of it is ProcessStandbyReplyMessage
// in walsender.c. pglogrepl's own cannot leave out what was flushed.
func (r *receiver) tell(ctx context.Context, flushed pg.LSN) error {
	message := []byte{pglogrepl.StandbyStatusUpdateByteID}
	message = binary.BigEndian.AppendUint64(message, uint64(r.position))
	message = binary.BigEndian.AppendUint64(message, uint64(flushed))
	message = binary.BigEndian.AppendUint64(message, 0) // nothing is applied here
	message = binary.BigEndian.AppendUint64(message, uint64(time.Since(epoch()).Microseconds()))
	message = append(message, 0) // no answer is needed
	r.server.conn.Frontend().Send(&pgproto3.CopyData{Data: message})
	if err := r.server.conn.Frontend().Flush(); err != nil {
		return r.server.commandFailure(ctx, r.op, err)
	}
	return nil
}

// epoch is the begin of PostgreSQL's time.
func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
