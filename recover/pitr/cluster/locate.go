package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// BinDirsVariable is the environment variable that lists folders with server
// programs, separated as in PATH. Each is a folder with initdb and postgres in
// it, or one with such a folder named bin or VERSION/bin.
const BinDirsVariable = "PGRESCUE_PG_BINDIRS"

// sharedServers is where `make test` puts the versions that the system does not
// have when root runs it; anybody else has them in a folder of the user's cache.
const sharedServers = "/var/cache/pgrescue/servers"

// ErrNoServer says that no server programs of the wanted version were found.
var ErrNoServer = errors.New("no PostgreSQL server programs")

// Locate finds the folder with initdb and postgres of a major version such as
// "15"; an empty version means the newest there is. It looks at
// PGRESCUE_PG_BINDIRS first, then where Debian, `make test`, Red Hat and Homebrew
// put them, then at PATH. The error wraps ErrNoServer and has a hint.
func Locate(ctx context.Context, version string) (string, error) {
	best, bestMajor := "", 0
	var seen []string
	for _, dir := range candidates(version) {
		major := majorVersion(ctx, dir)
		if major == 0 {
			continue
		}
		seen = append(seen, strconv.Itoa(major))
		if strconv.Itoa(major) == version {
			return dir, nil
		}
		if version == "" && major > bestMajor {
			best, bestMajor = dir, major
		}
	}
	if best != "" {
		return best, nil
	}
	err := fmt.Errorf("%w of version %s", ErrNoServer, version)
	if version == "" {
		err = ErrNoServer
	}
	if len(seen) > 0 {
		err = fmt.Errorf("%w (found %s)", err, strings.Join(seen, ", "))
	}
	return "", &evidence.Error{
		Op: "cluster: find a server", Err: err,
		Hint: "run `make test`, which installs one, or name the folder of initdb in " + BinDirsVariable,
	}
}

// candidates are the folders that may hold server programs, best first.
func candidates(version string) []string {
	named := version
	if named == "" {
		named = "*"
	}
	var patterns []string
	for _, dir := range filepath.SplitList(os.Getenv(BinDirsVariable)) {
		if dir != "" {
			patterns = append(patterns, dir, filepath.Join(dir, "bin"), filepath.Join(dir, named, "bin"))
		}
	}
	patterns = append(patterns,
		"/usr/lib/postgresql/"+named+"/bin",
		filepath.Join(sharedServers, named, "bin"),
		"/usr/pgsql-"+named+"/bin",
		"/opt/homebrew/opt/postgresql@"+named+"/bin",
		"/usr/local/opt/postgresql@"+named+"/bin",
	)
	if cache, err := os.UserCacheDir(); err == nil {
		patterns = append(patterns, filepath.Join(cache, "pgrescue", "servers", named, "bin"))
	}
	var dirs []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err == nil { // a folder with a bad pattern in its name is none
			dirs = append(dirs, found...)
		}
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link in PATH may have only some of the programs beside it.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

// majorVersion asks the postgres in dir for its version; 0 if there is none, or
// no initdb beside it.
func majorVersion(ctx context.Context, dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	words := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian …)
	if len(words) < 3 {
		return 0
	}
	digits := words[2]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major
}
