package main

import (
	"os"
	"path/filepath"
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
