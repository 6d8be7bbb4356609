package discovery

import "github.com/pgrescue/pgrescue/importers"

// Extraction is what the application's server makes of the rows that it is sent: which of them it
// keeps, and the JSON of each.
type Extraction struct {
	encoder *recordEncoder
	dropper *dropper
}

// NewExtraction prepares for the records of a list.
func NewExtraction(head *importers.Head, store Store) *Extraction {
	return &Extraction{encoder: newRecordEncoder(head, store), dropper: newDropper(head)}
}

// Append appends the JSON of a record. An error says why the application could not read it.
func (x *Extraction) Append(dst []byte, record *importers.Record) ([]byte, error) {
	return x.encoder.appendRecord(dst, record)
}

// Dropped says why the server drops a record; "": it keeps it. The numbers of raw records count
// those that it keeps.
func (x *Extraction) Dropped(record *importers.Record) string { return x.dropper.why(record) }
