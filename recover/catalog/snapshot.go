package catalog

import (
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

// Load reads a snapshot that Save wrote. A file of a newer format is refused:
// fields that this version does not know could change what the others mean.
func Load(r io.Reader) (*Snapshot, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("catalog: read snapshot: %w", err)
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
