package stream

import (
	"os"
	"syscall"
	"testing"
)

// giveToOwner gives a file to the owner of a folder.
func giveToOwner(t testing.TB, folder, file string) {
	t.Helper()
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%s: no owner is known", folder)
	}
	if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}
