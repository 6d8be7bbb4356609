package testdata

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// UnpackIncident writes the incident's files below a folder, which then holds
// the folder data. It tells how many files that were, and their size in bytes.
func UnpackIncident(ctx context.Context, folder string) (files int, size int64, err error) {
	archive, err := Incident()
	if err != nil {
		return 0, 0, err
	}
	if files, size, err = unpack(ctx, archive, folder); err != nil {
		err = fmt.Errorf("testdata: unpack the incident into %s: %w", folder, err)
	}
	return files, size, err
}

func unpack(ctx context.Context, archive []byte, folder string) (files int, size int64, err error) {
	decoder, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		return 0, 0, err
	}
	defer decoder.Close()
	root, err := openFolder(folder)
	if err != nil {
		return 0, 0, err
	}
	defer root.Close()
	for reader := tar.NewReader(decoder); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, size, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return files, size, err
		}
		n, err := unpackEntry(root, header, reader)
		if err != nil {
			return files, size, err
		}
		if header.Typeflag == tar.TypeReg {
			files++
			size += n
		}
	}
}

// openFolder makes a folder and keeps whatever is written inside it.
func openFolder(folder string) (*os.Root, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return os.OpenRoot(folder)
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) (int64, error) {
	switch header.Typeflag {
	case tar.TypeDir:
		return 0, root.MkdirAll(filepath.FromSlash(header.Name), 0o700)
	case tar.TypeReg:
		name := filepath.FromSlash(header.Name)
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return 0, err
		}
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(file, content)
		return n, errors.Join(err, file.Close())
	}
	return 0, nil
}
