// Package redistest gives tests a throwaway Redis server that is gone when the test is. A missing
// server fails the test; it never skips it.
package redistest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Server is a throwaway server.
type Server struct{ socket string }

// Start starts a server that keeps nothing on disk and listens at a socket only.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("start redis: %v\nhint: bash .ci/install redis", err)
	}
	folder, err := os.MkdirTemp("", "r") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := &Server{socket: filepath.Join(folder, "s")}
	command := exec.Command(program, append([]string{"--port", "0", "--unixsocket", s.socket, "--save", "", "--dir", folder, "--daemonize", "no"}, options...)...)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait() //nolint:errcheck // it was killed
	})
	lines, said := bufio.NewScanner(output), ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go io.Copy(io.Discard, output) //nolint:errcheck // until it ends
			return s
		}
	}
	t.Fatalf("redis did not start:\n%s", said)
	return nil
}

// URL is its address, with a user and a password such as "user:password@", or without.
func (s *Server) URL(user string) string { return "unix://" + user + s.socket + "?db=0" }
