package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/recover/runbook"
	"github.com/pgrescue/pgrescue/testdata"
)

// The documents are tested by what they say:
//
//   - README.md: `sh` blocks run in bash; /copy/data is the unpacked incident, /copy/logs its logs,
//     /archive its WAL, /backup/monday a second copy of it, and /downloads the source files of
//     its imports. The session between the markers is what the command prints;
//     a line that is only … stands for lines left out.
//   - RUNBOOK.md: see TestRunbook.
//   - Commands, flags, make targets, links and paths that a document names exist.

// block is one fenced block of a document.
type block struct {
	lang, role string // the first two words behind the fence
	line       int
	text       string
}

// readDocument gives a document of the repository and its blocks.
func readDocument(t *testing.T, name string) (text string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	var current *block
	line := 0
	for row := range strings.Lines(string(content)) {
		line++
		info, fence := strings.CutPrefix(strings.TrimSpace(row), "```")
		switch {
		case fence && current == nil:
			words := append(strings.Fields(info), "", "")
			current = &block{lang: words[0], role: words[1], line: line}
		case fence:
			blocks = append(blocks, *current)
			current = nil
		case current != nil:
			current.text += row
		}
	}
	if current != nil {
		t.Fatalf("%s:%d: the block has no end", name, current.line)
	}
	return string(content), blocks
}

// shell runs a script in bash, which stops at the first command that fails.
func shell(t *testing.T, folder, script string, environment ...string) (stdout, stderr string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir = folder
	command.Env = append(os.Environ(), environment...)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err = command.Run()
	return out.String(), errs.String(), err
}

// TestDocumentsAreMerged: no page was landed with the marks of a merge in it.
func TestDocumentsAreMerged(t *testing.T) {
	t.Parallel()
	pages := 0
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "<<<<<<< ") || strings.HasPrefix(line, ">>>>>>> ") {
				t.Errorf("%s: %s", path, line)
			}
		}
		return err
	})
	if err != nil || pages < 5 {
		t.Error(pages, err)
	}
}

func TestReadmeSession(t *testing.T) {
	t.Parallel()
	readme, blocks := readDocument(t, "README.md")
	begin := strings.Count(before(readme, "<!-- session:begin -->"), "\n")
	end := strings.Count(before(readme, "<!-- session:end -->"), "\n")
	sessions := 0
	for _, b := range blocks {
		if b.line <= begin || b.line > end {
			continue
		}
		sessions++
		first, shown, _ := strings.Cut(b.text, "\n")
		command, ok := strings.CutPrefix(first, "$ ")
		if !ok {
			t.Fatalf("README.md:%d: the session does not begin with a command", b.line)
		}
		stdout, stderr, err := shell(t, t.TempDir(), command)
		if err != nil {
			t.Fatalf("README.md:%d: %s: %v\n%s", b.line, command, err, stderr)
		}
		if !runbook.Matches(shown, stdout) {
			t.Errorf("README.md:%d: the session is not what %q prints now:\n%s", b.line, command, stdout)
		}
	}
	if sessions == 0 {
		t.Error("README.md has no session between its markers")
	}
}

// before gives what stands before mark, or everything.
func before(text, mark string) string {
	head, _, _ := strings.Cut(text, mark)
	return head
}

func TestReadmeCommandsRun(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	second, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	paths := strings.NewReplacer("/copy/data", data, "/copy/logs", filepath.Join(filepath.Dir(data), "logs"), "/archive", filepath.Join(data, "pg_wal"), "/backup/monday", second, "/downloads", sourcesOf(t, truth))
	_, blocks := readDocument(t, "README.md")
	seen, ran, served := 0, 0, 0
	for _, b := range blocks {
		if b.lang != "sh" {
			continue
		}
		if seen++; testing.Short() && seen%racedEvery != 1 { // some with a server and some without
			continue
		}
		ran++
		var environment []string
		if b.role == "server" {
			served++
			environment = reach(startIncident(t), truth.Database)
		}
		if stdout, stderr, err := shell(t, t.TempDir(), paths.Replace(b.text), environment...); err != nil {
			t.Errorf("README.md:%d: %v\n%s%s", b.line, err, stdout, stderr)
		}
	}
	if ran == served || served == 0 {
		t.Error("README.md has no sh block, or none with a server")
	}
}

// TestDocumentsNameTheIncident: the transaction in the examples is the one that
// the demo blames, so that a reader can follow them on the demo's evidence.
func TestDocumentsNameTheIncident(t *testing.T) {
	t.Parallel()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	readme, _ := readDocument(t, "README.md")
	found := regexp.MustCompile(`--xid (\d+)`).FindAllStringSubmatch(readme, -1)
	if len(found) == 0 {
		t.Error("README.md has no --xid N")
	}
	for _, match := range found {
		if want := fmt.Sprint(truth.Transaction("retry").XID); match[1] != want {
			t.Errorf("README.md: %s, want %s", match[0], want)
		}
	}
}

// TestDocumentsNameCommandsThatExist checks what stands between backquotes and in
// blocks: subcommands, their flags, and make targets.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	root, _ := testRoot()
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "RUNBOOK.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		text, blocks := readDocument(t, name)
		lines := inlineCode(text)
		for _, b := range blocks {
			for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
				lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), "$ "))
			}
		}
		checked := 0
		for _, line := range lines {
			fields := strings.Fields(line)
			switch {
			case len(fields) > 1 && fields[0] == "make":
				checked++
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(fields[1]) + `:`).Match(makefile) {
					t.Errorf("%s: the Makefile has no target %q", name, fields[1])
				}
			case len(fields) > 1 && fields[0] == "pgrescue":
				checked++
				checkCommandLine(t, root, name, fields[1:])
			case len(fields) > 1 && fields[0] == "case" && strings.HasPrefix(fields[1], "$"): // the word of the shell
			case len(fields) > 0 && isCommand(root, fields[0]):
				checked++
				checkCommandLine(t, root, name, fields)
			}
		}
		if checked == 0 {
			t.Errorf("%s names no command; this test is blind", name)
		}
	}
}

// inlineCode lists what stands between single backquotes outside of blocks.
func inlineCode(text string) []string {
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	var found []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		found = append(found, strings.ReplaceAll(match[1], "\n", " "))
	}
	return found
}

func isCommand(root *cobra.Command, name string) bool {
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
}

// checkCommandLine reports a command or a flag that does not exist.
func checkCommandLine(t *testing.T, root *cobra.Command, where string, fields []string) {
	t.Helper()
	for i, field := range fields {
		if strings.ContainsAny(field, "|;>&#") {
			fields = fields[:i]
			break
		}
	}
	line := strings.Join(fields, " ")
	target, rest, err := root.Find(fields)
	if err != nil {
		t.Errorf("%s: %q: %v", where, line, err)
		return
	}
	if target.HasSubCommands() && target.Args == nil && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && target.Name() != "help" {
		t.Errorf("%s: %q: %s has no command %q", where, line, target.CommandPath(), rest[0])
	}
	for _, field := range rest {
		name, long := strings.CutPrefix(before(field, "="), "--")
		if !long || name == "help" {
			continue
		}
		if target.Flags().Lookup(name) == nil && target.InheritedFlags().Lookup(name) == nil {
			t.Errorf("%s: %q: %s has no flag --%s", where, line, target.CommandPath(), name)
		}
	}
}

// TestLinksLead checks links to files of the repository and to headings.
func TestLinksLead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "RUNBOOK.md", "CONTRIBUTING.md", "CHANGELOG.md", "recover/README.md"} {
		text, _ := readDocument(t, name)
		for _, match := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := text
			if file != "" {
				path := filepath.Join(filepath.Dir(name), file)
				if _, err := os.Stat(filepath.Join(repository, path)); err != nil {
					t.Errorf("%s: link to %s: %v", name, file, err)
					continue
				}
				if anchor != "" {
					target, _ = readDocument(t, path)
				}
			}
			if anchor != "" && !slices.Contains(anchors(target), anchor) {
				t.Errorf("%s: link to %s: there is no such heading", name, match[1])
			}
		}
	}
}

// anchors lists the names that GitHub gives to the headings of a document.
func anchors(text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(match[1]), "")
		found = append(found, strings.ReplaceAll(slug, " ", "-"))
	}
	return found
}

// sourcesOf writes the source files that the lost imports of the incident came from: a
// raw record holds a row of its file, header and all.
func sourcesOf(t *testing.T, truth *testdata.Truth) string {
	t.Helper()
	folder := t.TempDir()
	lost := filepath.Join(repository, "testdata", "incident", "truth", truth.Transaction("retry").Label)
	names := map[string]string{} // of files, by the id of the import
	for _, row := range copiedRows(t, filepath.Join(lost, "data_imports.copy")) {
		names[row[0]] = row[7]
	}
	header := []string{"CI Type", "Name", "Host Name", "IP Address", "OS", "OS Version", "Environment", "Application", "Department", "Owner", "Status", "Description", "Location", "CPU Cores", "Memory GB", "Storage GB"}
	files := map[string]map[int][]string{}
	for _, row := range copiedRows(t, filepath.Join(lost, "raw_import_records.copy")) {
		var record map[string]string
		number, err := strconv.Atoi(row[5])
		if err := errors.Join(err, json.Unmarshal([]byte(row[6]), &record)); err != nil {
			t.Fatal(err)
		}
		name := names[row[1]]
		if files[name] == nil {
			files[name] = map[int][]string{0: header}
		}
		for _, h := range header {
			files[name][number] = append(files[name][number], record[h])
		}
	}
	for name, records := range files {
		var text strings.Builder
		writer := csv.NewWriter(&text)
		for i := range len(records) {
			if err := writer.Write(records[i]); err != nil {
				t.Fatal(err)
			}
		}
		writer.Flush()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// copiedRows reads a file of COPY's text format.
func copiedRows(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unescape := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r")
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range fields {
			fields[i] = unescape.Replace(fields[i])
		}
		rows = append(rows, fields)
	}
	return rows
}
