package runbook

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeManifest lists the files of a run with their SHA-256, as sha256sum -c reads it.
func writeManifest(folder string) error {
	var text bytes.Buffer
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || name == manifestName || name == lockName || strings.ContainsAny(name, "\n\\") {
			return err
		}
		sum, err := sumOf(path)
		fmt.Fprintf(&text, "%x  %s\n", sum, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, manifestName), text.Bytes())
}

func newDigest() hash.Hash { return sha256.New() }

func sumOf(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	digest := newDigest()
	if _, err := io.Copy(digest, file); err != nil {
		return nil, err
	}
	return digest.Sum(nil), nil
}
