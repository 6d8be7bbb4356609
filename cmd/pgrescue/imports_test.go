package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	repository = "../.." // from this package's folder
	modulePath = "github.com/pgrescue/pgrescue/"
)

// rooms says which rooms of the house each room may import. A package belongs to
// the longest name that it begins with, and may always import its own room.
func rooms() map[string][]string {
	base := []string{"recover/pg", "recover/pg/pglz", "recover/binreader", "recover/evidence"}
	table := map[string][]string{
		"recover/pg":         nil,
		"recover/pg/pglz":    {"recover/pg", "recover/binreader"},
		"recover/binreader":  nil,
		"recover/evidence":   {"recover/pg"},
		"recover/packed":     base,
		"recover/journal":    nil,
		"recover/casefile":   append(slices.Clone(base), "recover/journal"),
		"recover/wal":        append(slices.Clone(base), "recover/packed"),
		"recover/heap":       base,
		"recover/live":       base,
		"recover/containers": {"recover/evidence"},
		"recover/rediskeys":  {"recover/evidence"},
		// pitr holds only the test clusters so far; it moves up when it plans recoveries.
		"recover/pitr": {"recover/pg", "recover/evidence"},
		"cmd/internal": {"recover/pg", "recover/evidence"},
		// incident is a program of its own: it makes the demo's evidence with a real server.
		"cmd/internal/incident": {"recover/pg", "recover/evidence", "recover/pitr", "testdata"},
		"testdata":              {"recover/pg"},
	}
	below := append(slices.Clone(base), "recover/wal", "recover/heap")
	for _, room := range []string{"recover/catalog", "recover/datum", "recover/heap/carve", "recover/redo", "recover/undelete"} {
		table[room] = slices.Clone(below)
		below = append(below, room)
	}
	table["recover/stream"] = append(slices.Clone(base), "recover/wal", "recover/live")
	table["recover/restore"] = append(slices.Clone(base), "recover/casefile", "recover/live")
	table["recover/report"] = append(slices.Clone(base), "recover/casefile")
	table["recover/runbook"] = append(slices.Clone(base), "recover/journal")
	table["recover/triage"] = append(slices.Clone(below), "recover/live", "recover/packed", "recover/containers", "recover/rediskeys")
	table["recover/preserve"] = append(slices.Clone(below), "recover/journal", "recover/live", "recover/containers", "recover/rediskeys")
	below = append(below, "recover/journal", "recover/preserve", "recover/runbook", "recover/triage")
	table["recover/drill"] = append(slices.Clone(table["recover/pitr"]), "recover/wal", "recover/runbook", "recover/pitr")
	below = append(below, "recover/drill")
	table["importers"] = append(slices.Clone(base), "recover/catalog", "recover/packed")
	for _, room := range []string{"importers/csvfile", "importers/xlsxfile", "importers/jsonfile", "importers/mapping", "importers/discovery"} {
		table[room] = append(slices.Clone(table["importers"]), "importers", "importers/mapping")
	}
	table["importers/discovery/api"] = append(slices.Clone(table["importers"]), "importers", "importers/discovery")
	below = append(below, "importers", "importers/csvfile", "importers/xlsxfile", "importers/jsonfile", "importers/mapping", "importers/discovery", "importers/discovery/api")
	table["logparse"] = append(slices.Clone(base), "recover/catalog", "recover/packed")
	for _, room := range []string{"logparse/statement", "logparse/pglog", "logparse/applog"} {
		table[room] = append(slices.Clone(table["logparse"]), "logparse", "logparse/statement", "logparse/pyrepr")
	}
	table["logparse/pyrepr"] = base
	table["logparse/secrets"] = nil
	table["logparse/applog"] = append(table["logparse/applog"], "logparse/secrets")
	table["logparse/events"] = append(slices.Clone(table["logparse/applog"]), "logparse/pglog", "logparse/applog")
	table["logparse/rebuild"] = append(slices.Clone(table["logparse/applog"]), "logparse/applog")
	below = append(below, "logparse", "logparse/pyrepr", "logparse/secrets", "logparse/statement", "logparse/pglog", "logparse/applog", "logparse/events", "logparse/rebuild")
	table["cmd/pgrescue"] = append(below, "recover/stream", "recover/casefile", "recover/report", "recover/live", "recover/containers", "recover/rediskeys", "recover/restore", "recover/pitr", "cmd/internal", "testdata")
	return table
}

// onlyIn says in which folders alone a module from outside may be imported.
func onlyIn() map[string][]string {
	return map[string][]string{
		"github.com/spf13/":               {"cmd/pgrescue"},
		"github.com/schollz/progressbar/": {"cmd/internal/term"},
		"golang.org/x/term":               {"cmd/internal/term"},
		"github.com/jackc/":               {"recover/pitr", "recover/live", "recover/stream"},
		"github.com/jackc/pglogrepl":      {"recover/stream"},
		"github.com/redis/go-redis/":      {"recover/rediskeys"},
		"github.com/ulikunitz/":           {"recover/wal/archives", "recover/packed"},
		"github.com/andybalholm/":         {"recover/wal/archives"},
		"zombiezen.com/go/sqlite":         {"recover/casefile"},
		"github.com/xuri/excelize":        {"importers"},
		"github.com/go-json-experiment/":  {"importers"},
		"github.com/goccy/go-yaml":        {"importers/mapping", "logparse/applog", "recover/runbook"},
		"github.com/yuin/":                {"recover/runbook"},
		"github.com/google/uuid":          {"importers/discovery"},
		"github.com/adrg/strutil":         {"importers/mapping"},
		"golang.org/x/text":               {"importers"},
		"github.com/wasilibs/":            {"logparse/statement"},
	}
}

// roomOf finds the room of a package by its folder, or "".
func roomOf(folder string, table map[string][]string) string {
	best := ""
	for room := range table {
		if (folder == room || strings.HasPrefix(folder, room+"/")) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

// goFiles lists the Go files of the tree, relative to its root.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != repository && (strings.HasPrefix(name, ".") || name == "bin") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(name, ".go") {
			relative, err := filepath.Rel(repository, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("the walk found %d Go files; it is not looking at the tree", len(files))
	}
	return files
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	table := rooms()
	seen := 0
	for _, file := range goFiles(t) {
		folder := filepath.ToSlash(filepath.Dir(file))
		if folder == "recover" {
			t.Errorf("%s: no .go file lies directly in recover/; its package would shadow the builtin", file)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		room := roomOf(folder, table)
		if room == "" {
			t.Errorf("%s: folder %s is no room of the house; add it to the table in imports_test.go", file, folder)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		seen++
		for _, spec := range parsed.Imports {
			checkImport(t, file, room, strings.Trim(spec.Path.Value, `"`), table)
			if spec.Name != nil && spec.Name.Name == "recover" {
				t.Errorf("%s: an import is named recover, which shadows the builtin", file)
			}
		}
	}
	if seen == 0 {
		t.Fatal("no file was checked")
	}
}

// checkImport reports an import that its room may not have.
func checkImport(t *testing.T, file, room, path string, table map[string][]string) {
	t.Helper()
	if inside, own := strings.CutPrefix(path, modulePath); own {
		target := roomOf(inside, table)
		if target != room && !slices.Contains(table[room], target) {
			t.Errorf("%s: %s may not import %s", file, room, inside)
		}
		return
	}
	for prefix, only := range onlyIn() {
		inside := func(folder string) bool { return strings.HasPrefix(file, folder+"/") }
		if strings.HasPrefix(path, prefix) && !slices.ContainsFunc(only, inside) {
			t.Errorf("%s: %s may be imported in %s only", file, path, strings.Join(only, " and "))
		}
	}
	if (room == "recover/pg" || room == "recover/binreader") && strings.Contains(path, ".") {
		t.Errorf("%s: %s imports the standard library only, not %s", file, room, path)
	}
}

func TestImportDirectionIsNotBlind(t *testing.T) {
	t.Parallel()
	table := rooms()
	tests := []struct {
		room, target string
		allowed      bool
	}{
		{"recover/evidence", "recover/pg", true},
		{"recover/pg", "recover/evidence", false},
		{"recover/wal", "recover/heap", false},
		{"recover/redo", "recover/heap", true},
		{"recover/heap", "recover/redo", false},
		{"recover/stream", "recover/wal", true},
		{"recover/stream", "recover/live", true},
		{"recover/live", "recover/stream", false},
		{"recover/restore", "recover/live", true},
		{"recover/restore", "recover/undelete", false},
		{"recover/wal", "recover/stream", false},
		{"recover/undelete", "recover/stream", false},
		{"recover/triage", "recover/undelete", true},
		{"recover/triage", "logparse", false},
		{"recover/undelete", "recover/triage", false},
		{"recover/undelete", "recover/casefile", false},
		{"recover/casefile", "recover/undelete", false},
		{"recover/undelete", "recover/catalog", true},
		{"cmd/internal", "recover/wal", false},
		{"cmd/pgrescue", "recover/undelete", true},
	}
	for _, test := range tests {
		if got := slices.Contains(table[test.room], test.target); got != test.allowed {
			t.Errorf("%s imports %s: allowed %v, want %v", test.room, test.target, got, test.allowed)
		}
	}
	if room := roomOf("recover/wal/xact", table); room != "recover/wal" {
		t.Errorf("recover/wal/xact belongs to %q", room)
	}
	if room := roomOf("recover/common", table); room != "" {
		t.Errorf("recover/common belongs to %q", room)
	}
}

// maxFileLines and maxFunctionLines are the hard limits; what is read with ease is shorter.
const (
	maxFileLines     = 500
	maxFunctionLines = 90
)

func TestHouseRules(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t) {
		source, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil {
			t.Error(err)
			continue
		}
		if lines := strings.Count(string(source), "\n"); lines > maxFileLines {
			t.Errorf("%s has %d lines; split it below %d", file, lines, maxFileLines)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		checkFunctions(t, file, set, parsed)
		checkCalls(t, file, set, parsed)
	}
}

// checkFunctions reports functions that are too long, and init functions.
func checkFunctions(t *testing.T, file string, set *token.FileSet, parsed *ast.File) {
	t.Helper()
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if function.Name.Name == "init" && function.Recv == nil {
			t.Errorf("%s: func init is not allowed", file)
		}
		if lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line; lines > maxFunctionLines {
			t.Errorf("%s: %s has %d lines; split it below %d", file, function.Name.Name, lines, maxFunctionLines)
		}
	}
}

// checkCalls reports calls that the rules of the house forbid.
func checkCalls(t *testing.T, file string, set *token.FileSet, parsed *ast.File) {
	t.Helper()
	ast.Inspect(parsed, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		if why := forbidden(file, call.Fun); why != "" {
			t.Errorf("%s: %s", set.Position(call.Pos()), why)
		}
		return true
	})
}

// forbidden says why a call is not allowed in file, or "".
func forbidden(file string, function ast.Expr) string {
	test := strings.HasSuffix(file, "_test.go")
	library := !test && slices.ContainsFunc([]string{"recover/", "importers/", "logparse/", "cmd/"}, func(tree string) bool { return strings.HasPrefix(file, tree) })
	if name, ok := function.(*ast.Ident); ok {
		if library && (name.Name == "panic" || name.Name == "recover") {
			return name.Name + " is not allowed; return an error"
		}
		return ""
	}
	selector, ok := function.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	owner, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	name := selector.Sel.Name
	switch {
	case owner.Name == "os" && name == "Exit" && filepath.Base(file) != "main.go":
		return "os.Exit is for main.go only"
	case library && owner.Name == "fmt" && strings.HasPrefix(name, "Print"):
		return "fmt." + name + " writes past the terminal"
	case library && owner.Name == "log" && slices.ContainsFunc([]string{"Print", "Fatal", "Panic"},
		func(verb string) bool { return strings.HasPrefix(name, verb) }):
		return "log." + name + ": return an error or report a gap"
	case test && (owner.Name == "t" || owner.Name == "b" || owner.Name == "f") && strings.HasPrefix(name, "Skip"):
		return "a test does not skip; what it needs is installed by make test"
	}
	return ""
}

func TestRootHoldsOnlyWhatItShould(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"cmd", "recover", "importers", "logparse", "testdata", "go.mod", "go.sum", "README.md", "RUNBOOK.md",
		"LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", ".golangci.yml", ".pre-commit-hooks.yaml",
		".ci", ".github", ".git", ".gitignore",
		"bin", // what make build makes; not committed
	}
	entries, err := os.ReadDir(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(allowed, entry.Name()) {
			t.Errorf("%s does not belong at the root", entry.Name())
		}
	}
}

func TestMainIsShort(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(source), "\n"); lines > 40 {
		t.Errorf("main.go has %d lines, want at most 40", lines)
	}
}
