package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
)

// caseExportOptions are the flags of `case export`.
type caseExportOptions struct {
	output       string
	withEvidence bool
	personal     []string
	keyFile      string
}

func (o *caseExportOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "folder to make")
	flags.BoolVar(&o.withEvidence, "with-evidence", false, "copy the evidence into it too")
	flags.StringArrayVar(&o.personal, "pseudonymize", nil, "replace the values of `TABLE.COLUMN`; may be repeated")
	flags.StringVar(&o.keyFile, "key-file", "", "file with the key of the pseudonyms; made when it is not there. Keep it: it makes the same pseudonyms again")
}

func newCaseExportCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options caseExportOptions
	command := &cobra.Command{
		Use:   "export -o DIR",
		Short: "Hand the case over: a folder that needs no pgrescue to be read and checked",
		Long: `Write the case into a folder for people who have no pgrescue: the rows as CSV, the
ledger, the balance, the timeline, the list of evidence with its SHA-256, the journal,
case.db itself, and a README.txt that explains them. It is a bag (BagIt, RFC 8493):
"sha256sum -c manifest-sha256.txt" checks it. It is there as a whole or not at all.

--pseudonymize replaces the values of a column in all of it by their HMAC-SHA256 under a
key: the same value has the same pseudonym in every table, and nobody without the key
can tell whose it is. A table's partitions go with it. A column that repeats personal
data, such as a JSON document, has to be named too.`,
		Example: `  pgrescue case export --case incident -o bundle
  pgrescue case export --case incident -o bundle --with-evidence
  pgrescue case export --case incident -o bundle --pseudonymize users.email --pseudonymize sales.orders.address --key-file ~/incident.key`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return runCaseExport(command.Context(), &options, cases, terminal)
		},
	}
	options.addFlags(command)
	return command
}

// check refuses flags that do not go together.
func (o *caseExportOptions) check() error {
	switch {
	case o.output == "" || o.output == stdoutName:
		return exitcode.Usagef("-o DIR is made anew", "case export: no folder is named")
	case len(o.personal) > 0 && o.keyFile == "":
		return exitcode.Usagef("--key-file FILE names it; it is made when it is not there", "case export: --pseudonymize needs a key")
	case len(o.personal) > 0 && o.withEvidence:
		return exitcode.Usagef("the evidence holds every value as it was", "case export: --pseudonymize and --with-evidence exclude each other")
	}
	return nil
}

// columns reads --pseudonymize.
func (o *caseExportOptions) columns() ([]casefile.Personal, error) {
	var list []casefile.Personal
	for _, text := range o.personal {
		column, err := casefile.ParsePersonal(text)
		if err != nil {
			return nil, exitcode.Usagef(`such as users.email, sales.orders.address or 'sales."Order Lines"."Customer"'`, "--pseudonymize %q: %v", text, err)
		}
		list = append(list, column)
	}
	return list, nil
}

func runCaseExport(ctx context.Context, options *caseExportOptions, cases *caseOptions, terminal *term.Terminal) (err error) {
	if err := options.check(); err != nil {
		return err
	}
	columns, err := options.columns()
	if err != nil {
		return err
	}
	c, err := cases.open(ctx, "case export")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var key []byte
	if len(columns) > 0 {
		if key, err = pseudonymKey(terminal, "case export", options.keyFile); err != nil {
			return err
		}
	}
	progress := &stages{terminal: terminal}
	out, err := c.Export(ctx, casefile.ExportOptions{
		Dir: options.output, Version: readVersion().Version, Evidence: options.withEvidence, Personal: columns, Key: key, Progress: progress.begin,
	})
	progress.end()
	if err != nil {
		return libraryError(err)
	}
	for _, missing := range out.Missing {
		terminal.Warnf("%s: %s", missing.Where, missing.What)
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printExport(terminal, out)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(out.Missing))
}

func printExport(terminal *term.Terminal, out *casefile.Exported) error {
	text := fmt.Sprintf("wrote %s: %s, %s, %s\n", term.Printable(out.Dir), term.Plural(int64(out.Files), "file", "files"), term.Bytes(out.Bytes), term.Plural(out.Rows, "row", "rows"))
	if len(out.Columns) > 0 {
		text += fmt.Sprintf("%s of %s replaced\n", term.Plural(out.Replaced, "value", "values"), strings.Join(out.Columns, ", "))
	}
	if out.Evidence > 0 {
		text += fmt.Sprintf("%s of the evidence copied\n", term.Plural(int64(out.Evidence), "file", "files"))
	}
	return terminal.Printf("%scheck it: cd %s && sha256sum -c manifest-sha256.txt\n", text, term.Printable(out.Dir))
}

// shortestKey is how many bytes a key has at least: fewer could be found by trying.
const shortestKey = 16

// pseudonymKey reads the key, or makes one.
func pseudonymKey(terminal *term.Terminal, command, path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(terminal, command, path)
	case err != nil:
		return nil, fmt.Errorf("%s: read the key: %w", command, err)
	}
	if key = bytes.TrimSpace(key); len(key) < shortestKey {
		return nil, exitcode.With(exitcode.Refused, exitcode.Hinted(
			fmt.Errorf("%s: the key in %s has %d bytes, and %d at least are needed", command, path, len(key), shortestKey), "name a file that is not there, and a key is made"))
	}
	return key, nil
}

// makeKey makes a key that nobody can guess.
func makeKey(terminal *term.Terminal, command, path string) ([]byte, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	key := hex.AppendEncode(nil, secret[:])
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: make a key: %w", command, err)
	}
	_, err = file.Write(append(key, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("%s: make a key: %w", command, err)
	}
	terminal.Infof("key of the pseudonyms: %s; keep it apart from what is handed over", path)
	return key, nil
}
