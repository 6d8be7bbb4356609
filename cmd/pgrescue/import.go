package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
)

// importOptions are the flags of `import`.
type importOptions struct {
	targetOptions
	importReading
	importTenant
	importSending
	dsnGiven     bool
	caseNamed    bool
	catalogFile  string
	database     string
	schema       string
	profile      string
	named        []string
	table        string
	asApp        bool
	asMapped     bool
	until        string
	category     string
	importID     string
	apply        bool
	confirm      string
	pages        bool
	rejects      string
	receipt      string
	fromReceipts []string
	force        bool
}

// importReading are the flags that say how a source is read; what is not given is found.
type importReading struct {
	delimiter, quote, escape string
	header                   string
	skip                     int
	encoding                 string
	sheets                   []string
	values                   string
	path                     string
	ragged                   string
}

// importTenant are the flags that say whose rows they are.
type importTenant struct {
	client, engagement, user string
	create                   bool
	clientName               string
	engagementName           string
	userEmail                string
}

// importSending are the flags of the way through the application's own endpoint.
type importSending struct {
	via      string
	url      string
	tokenEnv string
	batch    int
	ask      string
	plain    bool
}

func (o *importReading) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.delimiter, "delimiter", "", "`character` between the fields of CSV, or tab (default: found)")
	flags.StringVar(&o.quote, "quote", "", "`character` around fields of CSV, or none (default: found)")
	flags.StringVar(&o.escape, "escape", "", "`character` before a quote within a field of CSV (default: found)")
	flags.StringVar(&o.header, "header", "", "`line` of CSV or row of a sheet that holds the names, from 1, or none (default: found)")
	flags.IntVar(&o.skip, "skip", 0, "`lines` of CSV to leave out before anything else")
	flags.StringVar(&o.encoding, "encoding", "", "utf-8, utf-16le, utf-16be, windows-1252 or latin-1 (default: found)")
	flags.StringArrayVar(&o.sheets, "sheet", nil, "only this sheet of a workbook; may be repeated (default all that hold a table)")
	flags.StringVar(&o.values, "values", "stored", "values of a workbook's cells: stored, or shown as Excel prints them")
	flags.StringVar(&o.path, "path", "", "where the list lies in JSON, as `a.b.c` (default: found)")
	flags.StringVar(&o.ragged, "ragged", "reject", "what becomes of a row of CSV that is too short: reject, or pad with nothing")
}

func (o *importTenant) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.client, "client-account", "", "`UUID` of the client account whose rows they are")
	flags.StringVar(&o.engagement, "engagement", "", "`UUID` of the engagement")
	flags.StringVar(&o.user, "user", "", "`UUID` of the user who imported (default the application's own demo user)")
	flags.BoolVar(&o.create, "create-tenant", false, "make the client account, engagement and user if the target has them no more")
	flags.StringVar(&o.clientName, "client-name", "", "and the `name` of the client account then")
	flags.StringVar(&o.engagementName, "engagement-name", "", "and that of the engagement")
	flags.StringVar(&o.userEmail, "user-email", "", "and the `address` of the user")
}

func (o *importSending) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.via, "via", "sql", "sql: rows into the database; api: the application's own endpoint at --url")
	flags.StringVar(&o.url, "url", "", "base `URL` of the application's backend, for --via api")
	flags.StringVar(&o.tokenEnv, "api-token-env", "PGRESCUE_API_TOKEN", "environment `variable` that holds the bearer token; the token is never printed")
	flags.IntVar(&o.batch, "api-batch", 0, "about how many `records` one request holds; each request is an import of its own (default all of a file in one)")
	flags.StringVar(&o.ask, "api-ask", "all", "how to find out whether a file is there already: all asks for all imports of the tenant, latest for one, none not at all")
	flags.BoolVar(&o.plain, "api-plain-http", false, "send the token to another machine without TLS")
}

func (o *importOptions) addFlags(command *cobra.Command) {
	o.targetOptions.addFlags(command)
	flags := command.Flags()
	flags.Lookup("dsn").Usage = "compare with this database: connection `string` of libpq, keywords or URI; '' is libpq's environment"
	o.importReading.addFlags(flags)
	flags.StringVar(&o.catalogFile, "catalog", "", "snapshot `FILE` of catalog dump: the target's columns, when no server is asked")
	flags.StringVar(&o.database, "database", "", "`name` of the database in --catalog, when it holds several")
	flags.StringVar(&o.schema, "schema", "migration", "`name` of the schema that holds the application's tables")
	flags.StringVar(&o.profile, "profile", "", "`NAME` of a profile that pgrescue has, or a YAML file: which header goes to which column (default discovery)")
	flags.StringArrayVar(&o.named, "map", nil, "`HEADER=COLUMN`, before the profile; without a column the header is left unmapped; may be repeated")
	flags.StringVarP(&o.table, "table", "t", "", "into this table alone, as `schema.name`: headers that are columns of it, or as --profile FILE says")
	flags.BoolVar(&o.asApp, "as-app", false, "read and store as the application did at the incident")
	flags.BoolVar(&o.asMapped, "as-mapped", false, "store as the mapping says; with --as-app, read as the application did")
	flags.StringVar(&o.until, "until", "assets", "how far the application had come: store, map or assets")
	flags.StringVar(&o.category, "category", "", "the upload's `category`, which is import_type (default what the file says, or cmdb)")
	flags.StringVar(&o.importID, "import-id", "", "`UUID` of the import, when the target or the case has several that may be meant; new makes another one")
	o.importTenant.addFlags(flags)
	flags.BoolVar(&o.apply, "apply", false, "put the rows into the database, in one transaction; without it nothing is changed")
	flags.StringVar(&o.confirm, "confirm", "", "the `name` of the database, or the host of --url, instead of typing it")
	flags.BoolVar(&o.pages, "pages-not-needed", false, "read the target's tables though their pages are not in the case: their dead tuples may go")
	flags.StringVar(&o.rejects, "rejects", "", "`folder` for the records that cannot be taken (default with --apply or --case: beside the receipt)")
	flags.StringVar(&o.receipt, "receipt", "", "`file` for the receipt, or a folder (default in the case, or beside the source)")
	flags.StringArrayVar(&o.fromReceipts, "from-receipt", nil, "import again what this receipt tells of: same file, same choices, same ids; may be repeated")
	flags.BoolVar(&o.force, "force", false, "replace receipts of other files, and put rows of a file by a second choice into a case")
	o.importSending.addFlags(flags)
}

func newImportCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options importOptions
	command := &cobra.Command{
		Use:   "import PATH…",
		Short: "Import CSV, Excel and JSON source files again, as the application did",
		Long: `Read the source files that rows once came from, and show what would go where: how each
file is read, which header goes to which column, what cannot be taken and why, and what a
file cannot give back. PATH is a file or a folder; what a file is, its content says.

--dsn compares with a database, by reading only: which rows are new, there already, or
there with other values. --apply puts the new ones in, in one transaction; rows that are
there are left alone, so that a second run changes nothing. With --case and without
--apply the rows go into the case, and restore plan, apply and verify do the writing.

Two ways to store are to choose from. --as-app makes what the application made at the
incident: it cut quoted commas, and dropped most mapped values. --as-mapped makes what the
mapping says. Both together read as the application did, and store as mapped.

All files of a run go in by one transaction, or none. A record that cannot be taken keeps
no other out: it goes into a reject file, as it stands in the source, and the exit code
is 1. Reading the target's tables prunes their dead tuples, which may hold rows that
nobody has brought back: so it is refused until a case holds their pages or every lost
row, or with --pages-not-needed.

A receipt is written by --apply and into a case. --from-receipt does exactly the same
again, from the same file, wherever it lies now.

--json prints one object; its fields are listed in the README.`,
		Example: `  pgrescue import downloads
  pgrescue import servers.csv --map 'Owner Mail=business_owner' --client-account 6f1c3a52-4f0e-4a8e-9a34-0c6f1f0f7d11 --engagement 0b0e4a1e-5d3c-4a83-8d38-3f8a2c9c1b52 --as-mapped --dsn 'host=db dbname=shop'
  pgrescue import servers.csv --client-account 6f1c3a52-4f0e-4a8e-9a34-0c6f1f0f7d11 --engagement 0b0e4a1e-5d3c-4a83-8d38-3f8a2c9c1b52 --as-app --dsn 'host=db dbname=shop' --apply
  pgrescue import downloads --from-receipt servers.csv.receipt.json --apply --confirm shop
  pgrescue import prices.xlsx --table shop.price --dsn 'host=db dbname=shop'`,
		Args: func(command *cobra.Command, args []string) error {
			if len(args) == 0 && len(options.fromReceipts) == 0 {
				return exitcode.Usagef("name source files, or a folder that holds some; `pgrescue import profile` is about profiles", "%s: no PATH is named", command.CommandPath())
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			options.dsnGiven = command.Flags().Changed("dsn")
			options.caseNamed = cases.dir != ""
			if err := options.check(command.Flags()); err != nil {
				return err
			}
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runImport(ctx, &options, args, terminal, found)
			})
		},
	}
	options.addFlags(command)
	command.AddCommand(newImportProfileCommand(terminal, cases))
	return command
}

// decided are the flags that a receipt decides.
func decided() []string {
	return []string{
		"delimiter", "quote", "escape", "header", "skip", "encoding", "sheet", "values", "path", "ragged", "profile", "map", "table", "as-app", "as-mapped",
		"until", "schema", "category", "import-id", "client-account", "engagement", "user",
	}
}

// check refuses flags that do not go together, before anything is read.
func (o *importOptions) check(flags *pflag.FlagSet) error {
	if len(o.fromReceipts) > 0 {
		for _, name := range decided() {
			if flags.Changed(name) {
				return exitcode.Usagef("without --from-receipt every choice is free", "import: --%s and --from-receipt exclude each other: the receipt says it", name)
			}
		}
	}
	for _, choice := range []struct {
		flag, value string
		words       []string
	}{
		{"values", o.values, []string{"stored", "shown"}},
		{"ragged", o.ragged, []string{"reject", "pad"}},
		{"until", o.until, []string{"store", "map", "assets"}},
		{"via", o.via, []string{"sql", "api"}},
		{"api-ask", o.ask, []string{"all", "latest", "none"}},
	} {
		if !slices.Contains(choice.words, choice.value) {
			return exitcode.Usagef("the words are: "+strings.Join(choice.words, ", "), "--%s %q is not known", choice.flag, choice.value)
		}
	}
	for _, name := range []string{"delimiter", "quote", "escape", "header", "skip", "ragged"} {
		if o.asApp && flags.Changed(name) {
			return exitcode.Usagef("the application knew only the comma, no quotes, and the header on the first line", "import: --%s and --as-app exclude each other", name)
		}
	}
	if err := o.checkEncoding(); err != nil {
		return err
	}
	if o.batch < 0 {
		return exitcode.Usagef("", "--api-batch %d is no number of records", o.batch)
	}
	if o.skip < 0 {
		return exitcode.Usagef("", "--skip %d is no number of lines", o.skip)
	}
	if err := o.checkTarget(); err != nil {
		return err
	}
	return o.checkCase()
}

// checkEncoding refuses an encoding that nobody knows.
func (o *importOptions) checkEncoding() error {
	if o.encoding == "" {
		return nil
	}
	_, err := importers.ParseEncoding(o.encoding)
	return exitcode.With(exitcode.Usage, err)
}

// checkCase is check for rows that act, or go into a case.
func (o *importOptions) checkCase() error {
	fills := o.caseNamed && !o.apply && o.via == "sql"
	if (o.apply || fills) && !o.chosen() {
		return exitcode.Usagef("--as-app makes what the application had made at the incident, --as-mapped what the mapping says; look at both previews first",
			"import: say how the rows are to be stored, with --as-app or --as-mapped")
	}
	if fills && !o.knowsColumns() {
		return exitcode.Usagef("--dsn names the target, or --catalog a file of `pgrescue catalog dump`",
			"import: which columns rows have for the case, only a target or its catalog can say")
	}
	return nil
}

// knowsColumns reports whether a server or a catalog tells the target's columns.
func (o *importOptions) knowsColumns() bool { return o.dsnGiven || o.catalogFile != "" }

// checkTarget is check for where the rows go.
func (o *importOptions) checkTarget() error {
	switch {
	case o.catalogFile != "" && (o.dsnGiven || o.apply):
		return exitcode.Usagef("the server tells its columns itself", "import: --catalog is for when no server is asked; --dsn and --apply ask one")
	case o.confirm != "" && !o.apply:
		return exitcode.Usagef("", "import: --confirm is for --apply")
	case o.via == "api" && o.url == "":
		return exitcode.Usagef("--url is the base URL of the backend, such as http://backend:8000", "import: --via api needs --url")
	case o.via == "api" && o.table != "":
		return exitcode.Usagef("", "import: the application's endpoint stores imports, and knows nothing of --table")
	case o.via == "sql" && o.url != "":
		return exitcode.Usagef("--via api sends to it", "import: --url is for --via api")
	case o.table != "" && (o.asApp || o.asMapped):
		return exitcode.Usagef("", "import: --as-app and --as-mapped are about the application's import path, and not about --table")
	}
	return nil
}

// chosen reports whether it is said how rows are to be stored.
func (o *importOptions) chosen() bool {
	return o.table != "" || o.via == "api" || o.asApp || o.asMapped || len(o.fromReceipts) > 0
}

// storeAsApp tells how rows are stored: --as-mapped has the last word.
func (o *importOptions) storeAsApp() bool { return o.asApp && !o.asMapped }

// namedColumns reads --map. A header may hold a =, a column does not.
func (o *importOptions) namedColumns() (map[string]string, error) {
	named := make(map[string]string, len(o.named))
	for _, text := range o.named {
		at := strings.LastIndexByte(text, '=')
		if at <= 0 {
			return nil, exitcode.Usagef("such as --map 'Owner Mail=business_owner'; --map 'Owner Mail=' leaves it unmapped", "--map %q is not HEADER=COLUMN", text)
		}
		header, column := text[:at], strings.TrimSpace(text[at+1:])
		if before, twice := named[header]; twice && before != column {
			return nil, exitcode.Usagef("", "--map names %q twice, for %q and for %q", header, before, column)
		}
		named[header] = column
	}
	return named, nil
}

// oneCharacter reads a flag that is one ASCII character; none is -1 and nothing is 0.
func oneCharacter(flag, text string) (rune, error) {
	switch text {
	case "":
		return 0, nil
	case "tab", `\t`:
		return '\t', nil
	case "space":
		return ' ', nil
	case "none":
		return -1, nil
	}
	if len(text) == 1 && text[0] < 0x80 && text[0] != '\n' && text[0] != '\r' {
		return rune(text[0]), nil
	}
	return 0, exitcode.Usagef("write it as one character, such as ';', or tab", "--%s %q is not one character", flag, text)
}

// headerLine reads --header: 0 is to be found, -1 none.
func (o *importReading) headerLine() (int, error) {
	switch o.header {
	case "":
		return 0, nil
	case "none":
		return -1, nil
	}
	line := 0
	if _, err := fmt.Sscanf(o.header, "%d", &line); err != nil || line < 1 || fmt.Sprint(line) != o.header {
		return 0, exitcode.Usagef("lines count from 1; none says that the file has no names", "--header %q is no line", o.header)
	}
	return line, nil
}
