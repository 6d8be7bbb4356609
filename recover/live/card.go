package live

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Card is the identity card of a server and a database of it.
type Card struct {
	Endpoint
	Database string `json:"database"`
	// SystemIdentifier tells clusters apart; 0 when the server does not say it to this role.
	SystemIdentifier uint64 `json:"system_identifier,string"`
	Version          string `json:"version"`        // as the server prints it, such as 15.18
	VersionNumber    int    `json:"version_number"` // server_version_num, such as 150018
	Role             string `json:"role"`           // current_user
	Superuser        bool   `json:"superuser"`
	Encoding         string `json:"encoding"` // of the database
	Size             int64  `json:"size"`     // of the database in bytes; -1 when the role may not ask
	// InRecovery: a standby, or a server that still replays its log.
	InRecovery bool `json:"in_recovery"`
	// ReadOnly: transactions of this role in this database are read-only unless they say otherwise.
	ReadOnly bool `json:"read_only"`
	// LastWrite is when the server wrote last, as far as LastWriteBy can tell.
	LastWrite   time.Time `json:"last_write"`
	LastWriteBy string    `json:"last_write_by,omitempty"`
}

// Place is user@host:port/db.
func (c *Card) Place() string { return c.Endpoint.String() + "/" + c.Database }

// Lines is the card for people, a name and a value in each.
func (c *Card) Lines() [][2]string {
	system, size, last := "unknown to this role", "unknown", pg.FormatTime(c.LastWrite)
	if c.SystemIdentifier != 0 {
		system = strconv.FormatUint(c.SystemIdentifier, 10)
	}
	if c.Size >= 0 {
		size = fmt.Sprintf("%d bytes", c.Size)
	}
	if c.LastWriteBy != "" {
		last += " (" + c.LastWriteBy + ")"
	}
	role := c.Role
	if c.Superuser {
		role += " (superuser)"
	}
	state := "takes writes"
	if c.InRecovery {
		state = "standby, or in recovery: takes no writes"
	} else if c.ReadOnly {
		state = "default_transaction_read_only is on"
	}
	return [][2]string{
		{"target", c.Place()},
		{"server", "PostgreSQL " + c.Version},
		{"system identifier", system},
		{"role", role},
		{"database size", size},
		{"last write", last},
		{"state", state},
	}
}

// Version is the major version of the server.
func (c *Card) Major() pg.Version { return pg.Version(c.VersionNumber / 10000) }

// Card asks the server who it is. It reads no table of the user's. It is not for a
// transaction: what a role may not ask is left unknown, and would end one.
func (c *Conn) Card(ctx context.Context) (*Card, error) {
	const op = "identify the server"
	card := &Card{Endpoint: c.endpoint, ReadOnly: c.readOnly, Size: -1}
	err := c.Query(ctx, op, `SELECT current_database(), current_setting('server_version_num'), current_user,
		(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), pg_catalog.pg_is_in_recovery(),
		current_setting('server_version'), current_setting('server_encoding')`, nil,
		func(row [][]byte) error {
			card.Database, card.Role = string(row[0]), string(row[2])
			card.Superuser, card.InRecovery = string(row[3]) == "t", string(row[4]) == "t"
			card.Version, _, _ = strings.Cut(string(row[5]), " ")
			card.Encoding = string(row[6])
			var err error
			card.VersionNumber, err = strconv.Atoi(string(row[1]))
			return err
		})
	if err != nil {
		return nil, err
	}
	if err := c.fillCard(ctx, op, card); err != nil {
		return nil, err
	}
	return card, nil
}

// fillCard asks what a role may be denied.
func (c *Conn) fillCard(ctx context.Context, op string, card *Card) error {
	system, err := c.ask(ctx, op, "SELECT system_identifier FROM pg_catalog.pg_control_system()")
	if err != nil {
		return err
	}
	if system != "" {
		// pg_control_system has it as a bigint: half of all are negative.
		number, err := strconv.ParseInt(system, 10, 64)
		if err != nil {
			return c.endpoint.Failure(op, ErrRefused, fmt.Errorf("the system identifier: %w", err), "")
		}
		card.SystemIdentifier = uint64(number)
	}
	size, err := c.ask(ctx, op, "SELECT pg_catalog.pg_database_size(current_database())")
	if err != nil {
		return err
	}
	if size != "" {
		if card.Size, err = strconv.ParseInt(size, 10, 64); err != nil {
			return c.endpoint.Failure(op, ErrRefused, fmt.Errorf("the size of the database: %w", err), "")
		}
	}
	for _, way := range lastWriteWays(card.InRecovery) {
		micros, err := c.ask(ctx, op, way[1])
		if err != nil {
			return err
		}
		if at, err := strconv.ParseInt(micros, 10, 64); err == nil {
			card.LastWrite, card.LastWriteBy = time.UnixMicro(at).UTC(), way[0]
			return nil
		}
	}
	return nil
}

// lastWriteWays are the ways to know when the server wrote last, the better first.
func lastWriteWays(standby bool) [][2]string {
	const micros = "SELECT (extract(epoch FROM %s) * 1000000)::bigint"
	if standby {
		return [][2]string{{"last transaction replayed", fmt.Sprintf(micros, "pg_catalog.pg_last_xact_replay_timestamp()")}}
	}
	return [][2]string{
		// The function is called for rows only, and there is none while the setting is off.
		{"last commit", fmt.Sprintf(micros, "x.timestamp") + ` FROM (SELECT 1 WHERE current_setting('track_commit_timestamp') = 'on') s,
			LATERAL pg_catalog.pg_last_committed_xact() x`},
		{"last checkpoint; track_commit_timestamp is off", fmt.Sprintf(micros, "checkpoint_time") + " FROM pg_catalog.pg_control_checkpoint()"},
	}
}

// ask runs a statement that gives one value or none. What the role may not do, or
// the server does not have, gives "".
func (c *Conn) ask(ctx context.Context, op, sql string) (string, error) {
	value := ""
	err := c.Query(ctx, op, sql, nil, func(row [][]byte) error {
		value = string(row[0])
		return nil
	})
	if code := Code(err); code == codeNoPrivilege || code == codeUndefinedFunction {
		return "", nil
	}
	return value, err
}
