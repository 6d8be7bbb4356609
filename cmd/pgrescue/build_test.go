package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBuildCarriesTheRevision runs `make build` with a go that only shows how it was
// called: the revision goes into the binary wherever git knows one, also where GOFLAGS
// has it off, and a tree that git refuses can be built all the same.
func TestBuildCarriesTheRevision(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ git, want string }{
		"a clone":                {git: "echo 0123456789", want: "-buildvcs=true"},
		"a tree that is refused": {git: "echo 'fatal: detected dubious ownership' >&2; exit 128", want: "-buildvcs=false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			programs := t.TempDir()
			for program, script := range map[string]string{"git": test.git, "go": `echo "$@"`} {
				if err := os.WriteFile(filepath.Join(programs, program), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			stdout, stderr, err := shell(t, root, "make --silent build", "PATH="+programs+":"+os.Getenv("PATH"), "GOFLAGS=-buildvcs=false")
			if err != nil {
				t.Fatalf("make build: %v\n%s", err, stderr)
			}
			if !strings.HasPrefix(stdout, "build "+test.want+" ") || strings.Contains(stderr, "fatal") {
				t.Errorf("go was called with %s%s, want %s", stdout, stderr, test.want)
			}
		})
	}
}

// TestRaceDetectorWatchesWhatWeCall reads which modules `make race` leaves out: each is
// there, and only other modules call it. What our code hands to two goroutines is then
// seen in the module that it is handed to.
func TestRaceDetectorWatchesWhatWeCall(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := shell(t, root, "make --silent --dry-run race")
	if err != nil {
		t.Fatalf("make race: %v\n%s", err, stderr)
	}
	modules, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	unwatched := regexp.MustCompile(`-gcflags='([^']*)/\.\.\.=-race=false'`).FindAllStringSubmatch(stdout, -1)
	if len(unwatched) == 0 || strings.Count(stdout, "gcflags") != len(unwatched) {
		t.Fatalf("which modules are left out is not to be read in\n%s", stdout)
	}
	for _, pattern := range unwatched {
		found := false
		for line := range strings.Lines(string(modules)) {
			module, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if module != pattern[1] && !strings.HasPrefix(module, pattern[1]+"/") {
				continue
			}
			found = true
			if !strings.HasSuffix(rest, "// indirect") {
				t.Errorf("our code calls %s, and the race detector does not watch it", module)
			}
		}
		if !found {
			t.Errorf("go.mod has no module %s", pattern[1])
		}
	}
}
