package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestContributingNamesPathsThatExist checks what looks like a path in
// CONTRIBUTING.md. NAME stands for what somebody adds.
func TestContributingNamesPathsThatExist(t *testing.T) {
	t.Parallel()
	text, _ := readDocument(t, "CONTRIBUTING.md")
	candidates := inlineCode(text)
	for line := range strings.Lines(text) {
		// The map's lines begin with the path.
		if first, _, found := strings.Cut(line, "  "); found && regexp.MustCompile(`^[a-z.]+/`).MatchString(first) {
			candidates = append(candidates, first)
		}
	}
	checked := 0
	for _, name := range candidates {
		if strings.Contains(name, " ") || strings.HasPrefix(name, "/") || !strings.Contains(name, "/") && !strings.HasSuffix(name, ".md") {
			continue
		}
		checked++
		name = strings.ReplaceAll(name, "NAME", "*")
		if found, err := filepath.Glob(filepath.Join(repository, name)); err != nil || len(found) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which is not there", name)
		}
	}
	if checked < 20 {
		t.Errorf("only %d paths were checked; this test is blind", checked)
	}
}

// TestContributingNamesEveryDependency compares the table with go.mod.
func TestContributingNamesEveryDependency(t *testing.T) {
	t.Parallel()
	text, _ := readDocument(t, "CONTRIBUTING.md")
	var named []string
	for _, match := range regexp.MustCompile(`(?m)^\| ([a-z0-9.]+/\S+) \| \S.* \|$`).FindAllStringSubmatch(text, -1) {
		named = append(named, match[1])
	}
	module, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for line := range strings.Lines(string(module)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require"))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			direct = append(direct, fields[0])
		}
	}
	slices.Sort(named)
	slices.Sort(direct)
	if len(direct) == 0 || !slices.Equal(named, direct) {
		t.Errorf("CONTRIBUTING.md gives reasons for\n%q, go.mod requires\n%q", named, direct)
	}
}

// TestMapNamesEveryRoom compares the table in recover/README.md with the packages.
func TestMapNamesEveryRoom(t *testing.T) {
	t.Parallel()
	text, _ := readDocument(t, "recover/README.md")
	var named []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|").FindAllStringSubmatch(text, -1) {
		named = append(named, match[1])
	}
	var rooms []string
	err := fs.WalkDir(os.DirFS(filepath.Join(repository, "recover")), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(file, ".go") && !slices.Contains(rooms, path.Dir(file)) {
			rooms = append(rooms, path.Dir(file))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(named)
	slices.Sort(rooms)
	if !slices.Equal(named, rooms) {
		t.Errorf("recover/README.md names the rooms\n%q, there are\n%q", named, rooms)
	}
}
