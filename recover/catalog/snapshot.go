package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Save writes the snapshot as JSON, one that Load reads.
func (s *Snapshot) Save(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("catalog: write snapshot: %w", err)
	}
	return nil
}

// maxSnapshot bounds a snapshot file in bytes: that of a million tables.
const maxSnapshot = 2 << 30

// readSnapshot reads what may be a snapshot. A file that does not begin as one is
// not read further, however long it is.
func readSnapshot(r io.Reader) ([]byte, error) {
	var head [512]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(head[:n], " \t\r\n"), []byte("{")) {
		return nil, errors.New("it is not a JSON object")
	}
	rest, err := io.ReadAll(io.LimitReader(r, maxSnapshot+1))
	if err == nil && len(rest) > maxSnapshot {
		err = fmt.Errorf("it has more than %d bytes", maxSnapshot)
	}
	return append(head[:n:n], rest...), err
}

// Load reads a snapshot that Save wrote. A file of a newer format is refused:
// fields that this version does not know could change what the others mean.
func Load(r io.Reader) (*Snapshot, error) {
	raw, err := readSnapshot(r)
	if err != nil {
		return nil, &evidence.Error{
			Op: "catalog: read snapshot", Err: err, Hint: "a snapshot file is made by `pgrescue catalog dump`",
		}
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, &evidence.Error{
			Op: "catalog: read snapshot", Err: err, Hint: "a snapshot file is made by `pgrescue catalog dump`",
		}
	}
	switch {
	case head.Format <= 0:
		return nil, &evidence.Error{
			Op: "catalog: read snapshot", Err: errors.New("it has no format number"), Hint: "a snapshot file is made by `pgrescue catalog dump`",
		}
	case head.Format > SnapshotFormat:
		return nil, &evidence.Error{
			Op: "catalog: read snapshot", Err: fmt.Errorf("its format is %d, this version knows up to %d", head.Format, SnapshotFormat),
			Hint: "use the version of pgrescue that wrote it",
		}
	}
	s := &Snapshot{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("catalog: read snapshot: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("catalog: read snapshot: %w", err)
	}
	for i := range s.Databases {
		s.Databases[i].Version = s.Version
	}
	return s, nil
}

// check refuses shapes that decoders could not rely on.
func (s *Snapshot) check() error {
	for i := range s.Databases {
		db := &s.Databases[i]
		for j := range db.Relations {
			rel := &db.Relations[j]
			if err := rel.check(); err != nil {
				return fmt.Errorf("database %s: table %s: %w", db.Name, rel.QualifiedName(), err)
			}
		}
		for j := range db.Types {
			if err := checkAttributes(db.Types[j].Attributes); err != nil {
				return fmt.Errorf("database %s: type %s: %w", db.Name, db.Types[j].Name, err)
			}
		}
	}
	return nil
}

func (r *Relation) check() error {
	if err := checkAttributes(r.Attributes); err != nil {
		return err
	}
	for _, number := range r.PrimaryKey {
		if number < 1 || int(number) > len(r.Attributes) {
			return fmt.Errorf("primary key names column %d of %d", number, len(r.Attributes))
		}
	}
	return nil
}

func checkAttributes(attributes []Attribute) error {
	for i := range attributes {
		a := &attributes[i]
		if int(a.Number) != i+1 {
			return fmt.Errorf("column %d has the number %d", i+1, a.Number)
		}
		if !validShape(a.Len, a.Align) {
			return fmt.Errorf("column %d has the impossible length %d and alignment %q", i+1, a.Len, a.Align)
		}
	}
	return nil
}
