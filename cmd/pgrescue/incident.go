package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/pgrescue/pgrescue/testdata"
)

// unpackIncident writes the bundled evidence into folder, which must exist, and
// returns the path of the data directory in it.
func unpackIncident(folder string) (dataDir string, err error) {
	archive, err := testdata.Incident()
	if err != nil {
		return "", err
	}
	plain, err := zstd.NewReader(bytes.NewReader(archive), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return "", fmt.Errorf("unpack the incident: %w", err)
	}
	defer plain.Close()
	// A Root keeps every name in the archive inside the folder.
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", fmt.Errorf("unpack the incident: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	reader := tar.NewReader(plain)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(folder, "data"), nil
		}
		if err == nil {
			err = unpackEntry(root, header, reader)
		}
		if err != nil {
			return "", fmt.Errorf("unpack the incident: %w", err)
		}
	}
}

// unpackEntry writes one folder or file of the archive.
func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(filepath.Clean(header.Name), 0o700)
	case tar.TypeReg:
		file, err := root.OpenFile(filepath.Clean(header.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return fmt.Errorf("%s is neither a file nor a folder", header.Name)
}
