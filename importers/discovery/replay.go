package discovery

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ParseTenant reads the ids of a tenant. The user may be empty: the request named nobody.
func ParseTenant(client, engagement, user string) (Tenant, error) {
	var t Tenant
	for _, part := range []struct {
		what, text string
		id         *uuid.UUID
	}{{"client account", client, &t.ClientAccount}, {"engagement", engagement, &t.Engagement}, {"user", user, &t.User}} {
		if part.text == "" {
			continue
		}
		id, err := uuid.Parse(part.text)
		if err != nil {
			return t, &evidence.Error{
				Op: "discovery: read the id of the " + part.what, Place: fmt.Sprintf("%q", part.text), Err: fmt.Errorf("it is no UUID: %w", err),
				Hint: "copy it from the application, or from the rows of another import of the tenant",
			}
		}
		*part.id = id
	}
	return t, nil
}

// Texts are the three ids as text; a user that is not named is empty.
func (t Tenant) Texts() (client, engagement, user string) {
	if t.User != uuid.Nil {
		user = t.User.String()
	}
	return t.ClientAccount.String(), t.Engagement.String(), user
}

// ParseChoice reads which import is meant: its id, new, or nothing.
func ParseChoice(text string) (Choice, error) {
	switch text {
	case "":
		return Choice{}, nil
	case "new":
		return Choice{Another: true}, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return Choice{}, &evidence.Error{
			Op: "discovery: read the id of the import", Place: fmt.Sprintf("%q", text), Err: fmt.Errorf("it is no UUID: %w", err),
			Hint: "the id of a row of data_imports, or new for another import",
		}
	}
	return Choice{Import: id}, nil
}

// Heard is a Known that remembers what it was asked and knew, so that a receipt can tell it.
type Heard struct {
	known Known
	ids   *ImportIDs
	rows  map[string]map[string]string
}

// Hear remembers what another Known tells.
func Hear(known Known) *Heard { return &Heard{known: known, rows: map[string]map[string]string{}} }

// Import asks the other one.
func (h *Heard) Import(of Content) (ImportIDs, bool, error) {
	ids, ok, err := h.known.Import(of)
	if ok && err == nil {
		h.ids = &ids
	}
	return ids, ok, err
}

// Row asks the other one.
func (h *Heard) Row(table, key string) (uuid.UUID, bool) {
	id, ok := h.known.Row(table, key)
	if ok {
		if h.rows[table] == nil {
			h.rows[table] = map[string]string{}
		}
		h.rows[table][keyText(table, key)] = id.String()
	}
	return id, ok
}

func (h *Heard) holds(table string) bool { return knows(h.known, table) }

// Rows are the ids that were known, by table and by key as a receipt writes it.
func (h *Heard) Rows() map[string]map[string]string { return h.rows }

// The names of what a receipt tells of an import's ids.
const (
	receiptImport = "import"
	receiptFlow   = "flow"
	receiptTime   = "time"
)

// Texts are the ids for a receipt; Replay reads them.
func (ids ImportIDs) Texts() map[string]string {
	texts := map[string]string{receiptImport: ids.Import.String(), receiptFlow: ids.Flow.String()}
	if !ids.Time.IsZero() {
		texts[receiptTime] = ids.Time.UTC().Format(time.RFC3339Nano)
	}
	return texts
}

// keyText is a key without bytes that are no text: a key that Key made begins with an id.
func keyText(table, key string) string {
	switch table {
	case tableRawRecords, tableMappings:
		if len(key) > len(uuid.UUID{}) {
			return hex.EncodeToString([]byte(key[:len(uuid.UUID{})])) + "/" + key[len(uuid.UUID{}):]
		}
	}
	return key
}

// replayed knows what a receipt tells.
type replayed struct {
	ids   ImportIDs
	rows  map[string]map[string]string
	there *Ids
}

// Replay knows the ids of a receipt. There is what the target has, where a file that somebody
// imported again since must not be there twice; nil: nobody looks.
func Replay(ids map[string]string, rows map[string]map[string]string, there *Ids) (Known, error) {
	r := replayed{rows: rows, there: there}
	var err error
	r.ids.Import, err = uuid.Parse(ids[receiptImport])
	if text := ids[receiptFlow]; err == nil && text != "" { // an application need not say it
		r.ids.Flow, err = uuid.Parse(text)
	}
	if err == nil {
		err = checkRows(rows)
	}
	if err != nil {
		err = fmt.Errorf("one of them is no UUID: %w", err)
	} else if text := ids[receiptTime]; text != "" {
		r.ids.Time, err = time.Parse(time.RFC3339Nano, text)
	}
	if err != nil {
		return nil, &evidence.Error{
			Op: "discovery: read the ids of", Place: "the receipt", Err: err,
			Hint: "use the receipt as it was written, or import without it: what is still known of the import is then asked of the target",
		}
	}
	return r, nil
}

// checkRows refuses ids that are none: for such a row another one would be made.
func checkRows(rows map[string]map[string]string) error {
	for table, ids := range rows {
		for key, text := range ids {
			if _, err := uuid.Parse(strings.TrimSpace(text)); err != nil {
				return fmt.Errorf("%s, %q: %w", table, key, err)
			}
		}
	}
	return nil
}

// Import knows one import alone: the receipt's.
func (r replayed) Import(of Content) (ImportIDs, bool, error) {
	if r.there == nil || r.there.has(r.ids.Import) {
		return r.ids, true, nil
	}
	other, ok, err := r.there.Import(of)
	if ok && err == nil {
		err = evidence.OfKind(ErrAmbiguous, fmt.Errorf("the file was imported again since, as %s", other.Import))
	}
	if err != nil {
		return ImportIDs{}, false, fmt.Errorf("the import of the receipt, %s, is not there: %w; without the receipt the one that is there is completed", r.ids.Import, err)
	}
	return r.ids, true, nil
}

func (r replayed) holds(table string) bool { return len(r.rows[table]) > 0 }

func (r replayed) Row(table, key string) (uuid.UUID, bool) {
	text, ok := r.rows[table][keyText(table, key)]
	if !ok {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(strings.TrimSpace(text))
	return id, err == nil
}
