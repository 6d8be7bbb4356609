//go:build unix

package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// owner is the user that the server runs as when the caller is root. A nil owner
// is the caller.
type owner struct{ uid, gid uint32 }

// serverOwner chooses the server's user: the caller, unless that is root.
func serverOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the caller
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &owner{uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, &evidence.Error{
		Op: "cluster: choose a user for the server", Err: fmt.Errorf("neither postgres nor nobody exists"),
		Hint: "PostgreSQL refuses to run as root; run this as another user",
	}
}

// take makes the owner own path.
func (o *owner) take(path string) error {
	if o == nil {
		return nil
	}
	return os.Chown(path, int(o.uid), int(o.gid))
}

// lend makes cmd run as the owner.
func (o *owner) lend(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if o != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
}
