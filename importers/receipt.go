package importers

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ErrNoReceipt tells that a file is no receipt, or one that this pgrescue cannot read.
var ErrNoReceipt = errors.New("it is no receipt")

// ErrOtherFile tells that no file at hand is the one that a receipt tells of.
var ErrOtherFile = errors.New("the receipt is of another file")

// receiptFormat is the version of a receipt's shape. Fields are only ever added to one.
const receiptFormat = 1

// maxReceipt bounds what is read as a receipt: the ids of a few million rows.
const maxReceipt = 1 << 30

// The outcomes of an import.
const (
	OutcomeApplied = "applied" // the rows are in the target
	OutcomeCase    = "case"    // the rows are in a case
	OutcomeSent    = "sent"    // the application took them
)

// Receipt tells what one list of a source file was made into, so that it can be done again
// exactly. It is one JSON object.
type Receipt struct {
	Format  int           `json:"format"`
	Tool    string        `json:"tool"` // this pgrescue and its version
	Made    time.Time     `json:"made"`
	Outcome string        `json:"outcome"` // applied, case or sent
	Source  ReceiptSource `json:"source"`
	// Settings is how the source was read, Header what its header was.
	Settings []Setting `json:"settings"`
	Header   []string  `json:"header"`
	// Columns says which header went to which column; "" is none.
	Columns []ReceiptColumn `json:"columns"`
	Profile ReceiptProfile  `json:"profile"`
	// Choices are the flags of the import by their names, what was found among them: an import
	// with these does the same.
	Choices map[string][]string `json:"choices"`
	Tenant  ReceiptTenant       `json:"tenant,omitzero"`
	// Target is where the rows went.
	Target ReceiptTarget `json:"target,omitzero"`
	// IDs are those of the import and its flow; Known those of rows that were not made from the
	// file's hash but found, by table and key.
	IDs      map[string]string            `json:"ids,omitempty"`
	Known    map[string]map[string]string `json:"known,omitempty"`
	Records  int64                        `json:"records"`
	Rejected int64                        `json:"rejected"`
	// Tables counts what this list made, and Run what became of the rows of all lists that went
	// in together, by one transaction.
	Tables []ReceiptTable `json:"tables"`
	Run    []ReceiptTable `json:"run"`
}

// ReceiptSource is the file, and the list in it.
type ReceiptSource struct {
	Path   string `json:"path"` // absolute, where it lay
	Member string `json:"member,omitempty"`
	Name   string `json:"name"`
	// Imported is the name under which it was imported: an application's request may have another.
	Imported string `json:"imported_as,omitempty"`
	Part     string `json:"part,omitempty"` // sheet, or path of the list
	Format   Format `json:"format"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"` // hex, of the uncompressed content
}

// ReceiptColumn is a header and its column.
type ReceiptColumn struct {
	Header string `json:"header"`
	Column string `json:"column"`
	How    string `json:"how"`
}

// ReceiptProfile is the profile of the mapping, whole: the next one may be another.
type ReceiptProfile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // hex, of Text
	Text   string `json:"text"`   // YAML
}

// ReceiptTenant is whose rows they are.
type ReceiptTenant struct {
	ClientAccount string `json:"client_account"`
	Engagement    string `json:"engagement"`
	User          string `json:"user"`
}

// ReceiptTarget is the database, or the address of an application.
type ReceiptTarget struct {
	Place            string `json:"place"`
	Database         string `json:"database,omitempty"`
	SystemIdentifier uint64 `json:"system_identifier,string,omitempty"`
	Version          string `json:"version,omitempty"`
}

// ReceiptTable counts the rows of one table.
type ReceiptTable struct {
	Table string `json:"table"`
	Given int64  `json:"given"` // that the file makes
	// Inserted rows are new, There are equal, Different have other values and were left: known of
	// a Run alone. Refused could not go in. Of rows that went into a case only Given is known.
	Inserted  int64 `json:"inserted,omitempty"`
	There     int64 `json:"there,omitempty"`
	Different int64 `json:"different,omitempty"`
	Refused   int64 `json:"refused,omitempty"`
}

// Encode prints a receipt.
func (r *Receipt) Encode(w io.Writer) error {
	r.Format = receiptFormat
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("importers: write receipt: %w", err)
	}
	return nil
}

// ReadReceipt reads a receipt.
func ReadReceipt(path string) (*Receipt, error) {
	file, err := evidence.Open(path)
	if err != nil {
		var place *fs.PathError
		if errors.As(err, &place) {
			err = place.Err
		}
		return nil, &evidence.Error{Op: "importers: open receipt", Place: path, Err: err}
	}
	defer file.Close()
	receipt, err := decodeReceipt(file)
	if err != nil {
		return nil, &evidence.Error{
			Op: "importers: read receipt", Place: path, Err: evidence.OfKind(ErrNoReceipt, err),
			Hint: "a receipt is what `pgrescue import --apply` writes, NAME.receipt.json",
		}
	}
	return receipt, nil
}

func decodeReceipt(file *os.File) (*Receipt, error) {
	decoder := json.NewDecoder(io.LimitReader(file, maxReceipt))
	var receipt Receipt
	if err := decoder.Decode(&receipt); err != nil {
		return nil, fmt.Errorf("it is no receipt: %w", err)
	}
	switch sum, err := hex.DecodeString(receipt.Source.SHA256); {
	case receipt.Format == 0:
		return nil, ErrNoReceipt
	case receipt.Format != receiptFormat:
		return nil, fmt.Errorf("its format is %d, and this pgrescue knows %d", receipt.Format, receiptFormat)
	case err != nil || len(sum) != len(Source{}.SHA256):
		return nil, fmt.Errorf("the hash of its file is %q", receipt.Source.SHA256)
	}
	return &receipt, nil
}

// Of reports whether a source is the file that the receipt tells of.
func (r *Receipt) Of(source *Source) bool {
	return strings.EqualFold(r.Source.SHA256, hex.EncodeToString(source.SHA256[:]))
}
