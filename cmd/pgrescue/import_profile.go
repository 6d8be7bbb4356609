package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

func newImportProfileCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"profile", "Which header of a source goes into which column",
		`Which header of a source goes into which column, how values are converted, and by which
columns a row is known to be there. The profile of the discovery import ships inside.`,
		`  pgrescue import profile show
  pgrescue import profile check mine.yaml servers.csv --dsn 'host=db dbname=shop'
  pgrescue import profile new --table inventory.hosts hosts.csv --dsn 'host=db dbname=shop' -o hosts.yaml`,
		newProfileShowCommand(terminal),
		newProfileCheckCommand(terminal, cases),
		newProfileNewCommand(terminal, cases),
	)
}

func newProfileShowCommand(terminal *term.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "show [PROFILE]",
		Short: "Print a profile, and explain its keys",
		Long: `Print a profile: the one that is named, by discovery or as a file, or that of the discovery
import. What is printed can be saved, changed, and given to import with --profile FILE.

` + profileKeysHelp,
		Example: `  pgrescue import profile show
  pgrescue import profile show > mine.yaml
  pgrescue import profile show mine.yaml --json`,
		Args: atMostOne("profile"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runProfileShow(args, terminal)
		},
	}
}

// profileKeysHelp explains the keys of a profile.
const profileKeysHelp = `A profile is YAML. A key that is not known is an error, with its line.

  profile, description   its name, and what it is for
  table                  SCHEMA.NAME of the table that takes the records
  headers                folded: compared in lower case, with one underscore for what is
                         neither letter nor digit; exact: compared letter by letter
  nulls                  words that mean NULL, in any case of letters; [""] is the empty text
  keep_quoted            true: what stands in quotes is a text in a column of text, though it
                         is a word for NULL, as COPY reads CSV
  convert                conversions of columns that have none of their own
  skip                   headers that mean nothing; a star at the end stands for any rest
  given                  columns that the import path fills itself; no header may go there
  identifiers            headers under which a record names itself, best first
  unmapped               the column that takes, as one JSON object, what no column takes:
                         NAME, or {column: NAME, headers: [known ones], all: true}
  keys                   lists of columns by which a row is known to be there;
                         {columns: [...], with: [...], without: [...]} holds only for
                         tables that have and lack those columns
  columns                what goes where, see below; their order decides who comes first
  as_app                 the same keys again, for storing as the application did

Under the name of a column:

  synonyms               headers that mean it: a list, or HEADER: how sure it is (0 to 1), or
                         HEADER: {confidence: 0.85, or: another column it may mean}
  nulls, convert         instead of those above
  default                what it gets when the source has nothing: one text, or several of
                         which the first counts that is complete. {column} stands for another
                         column's value, {source.HEADER} for a field, {record.number} for
                         the record's number
  value                  what it always gets, whatever the source says
  optional               true: some versions of the table do not have it
  on_failure             refuse: the record is refused, with the reason; null: NULL is stored,
                         and counted
  note                   for people

Conversions, one after the other:

  trim, lower, upper     spaces at both ends; case
  int, float             numbers; 16.0 is 16, 16.5 is no int; the digits stay as they are
  thousands: ","         takes the marks between groups of three digits away
  decimal: ","           the mark before the fraction
  unit: GB               or {GB: 1, MB: 1/1024}: takes a unit away, and counts in the first
  bool                   or {true: [ja], false: [nein]}
  date, timestamp        ISO 8601, or a format, or a list of them: DD.MM.YYYY HH24:MI:SS; with
                         YYYY or YY, MM, DD, Mon or Month, HH24 or HH12 with AM, MI, SS, FF for
                         a fraction, TZ. Nothing is guessed. A time without a zone is UTC.
                         A column without a time zone keeps the time as written, as the
                         server does; {format: ..., zone: UTC} shifts it to UTC
  uuid, json             json_string makes a JSON string of a text
  lookup                 {words: {from: to}, else: refuse, keep or none}
  contains               as lookup, by the first word that stands in the text; a+b means both
  list: [";", ","]       splits into a JSON list, or an array where the column is one
  text                   as it stands
  app_int, app_float     as the application did: int(float(x)), NULL when that fails

Columns of dates, times and whole numbers are converted as such when no conversion says
otherwise. All else goes to the server as it stands, which takes it or says why not.`

// findProfile finds the profile that ships inside, for "" or its name, or reads a file.
func findProfile(name string) (*mapping.Profile, error) {
	if name == "" || name == discovery.ProfileName {
		return discovery.Profile()
	}
	file, err := evidence.Open(name)
	if err != nil {
		err = exitcode.Hinted(fmt.Errorf("open profile: %w", err), "a profile is a file, or discovery; `pgrescue import profile new` writes one")
		if errors.Is(err, evidence.ErrNotRegular) {
			err = exitcode.With(exitcode.Usage, err)
		}
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mapping.MaxProfile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	profile, err := mapping.Parse(name, text)
	if err != nil {
		return nil, exitcode.With(exitcode.Usage, err)
	}
	return profile, nil
}

// profileColumn is a column of `profile show --json`.
type profileColumn struct {
	Column   string           `json:"column"`
	Line     int              `json:"line"`
	Synonyms []profileSynonym `json:"synonyms,omitempty"`
	Optional bool             `json:"optional,omitempty"`
	Lossy    bool             `json:"failure_is_null,omitempty"`
	Note     string           `json:"note,omitempty"`
}

type profileSynonym struct {
	Header     string  `json:"header"`
	Confidence float64 `json:"confidence,omitempty"` // 0: the application's tables have none
	Or         string  `json:"or,omitempty"`
}

// profileResult is what `profile show --json` prints.
type profileResult struct {
	Profile     string          `json:"profile"`
	Description string          `json:"description,omitempty"`
	Table       string          `json:"table"`
	Unmapped    string          `json:"unmapped_column,omitempty"`
	Skip        []string        `json:"skip"`
	Identifiers []string        `json:"identifiers"`
	Keys        []mapping.Key   `json:"keys"`
	Columns     []profileColumn `json:"columns"`
	Text        string          `json:"text"`
}

func runProfileShow(args []string, terminal *term.Terminal) error {
	profile, err := findProfile(strings.Join(args, ""))
	if err != nil {
		return err
	}
	if !terminal.JSON() {
		return terminal.Printf("%s", profile.Text)
	}
	result := profileResult{
		Profile: profile.Name, Description: profile.Description, Table: profile.Table.String(), Unmapped: profile.Unmapped,
		Skip: noNil(profile.Skip), Identifiers: noNil(profile.Identifiers), Keys: noNil(profile.Keys), Text: string(profile.Text),
	}
	for _, r := range profile.Columns {
		column := profileColumn{Column: r.Column, Line: r.Line, Optional: r.Optional, Lossy: r.Lossy, Note: r.Note}
		for _, s := range r.Synonyms {
			column.Synonyms = append(column.Synonyms, profileSynonym{s.Header, s.Confidence, s.Or})
		}
		result.Columns = append(result.Columns, column)
	}
	return terminal.WriteJSON(result)
}
