package wal

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pg/pglz"
	"github.com/pierrec/lz4/v4"
)

// Restorer turns full-page images back into pages. It keeps a decoder and a
// buffer between calls. The zero value is ready; a Restorer serves one goroutine.
type Restorer struct {
	zstd   *zstd.Decoder
	buffer []byte
}

// RestoreImage fills dst, which must hold pg.BlockSize bytes, with the page whose
// image the block reference carries, its hole zeroed (RestoreBlockImage in
// xlogreader.c). It errs when there is no image or when it does not unpack; dst
// is then undefined.
func (s *Restorer) RestoreImage(dst []byte, b *BlockRef) error {
	if len(dst) != pg.BlockSize {
		return fmt.Errorf("wal: restore image: want room for %d bytes, have %d", pg.BlockSize, len(dst))
	}
	if !b.HasImage {
		return fmt.Errorf("wal: restore image of %s block %d: the record has none", b.Relation, b.Block)
	}
	bytes, err := s.unpack(&b.Image)
	if err != nil {
		return fmt.Errorf("wal: restore image of %s block %d: %w", b.Relation, b.Block, err)
	}
	r := binreader.New(bytes)
	before := r.Bytes(int(b.Image.HoleOffset))
	after := r.Rest()
	if !r.OK() || len(before)+int(b.Image.HoleLength)+len(after) != pg.BlockSize {
		return fmt.Errorf("wal: restore image of %s block %d: its parts do not add up to a page", b.Relation, b.Block)
	}
	n := copy(dst, before)
	clear(dst[n : n+int(b.Image.HoleLength)])
	copy(dst[n+int(b.Image.HoleLength):], after)
	return nil
}

// unpack returns the page's bytes without the hole.
func (s *Restorer) unpack(image *Image) ([]byte, error) {
	want := pg.BlockSize - int(image.HoleLength)
	if want <= 0 { // a page has a header at least
		return nil, fmt.Errorf("a hole of %d bytes", image.HoleLength)
	}
	if image.Compression == CompressionNone {
		return image.Stored, nil
	}
	if s.buffer == nil {
		s.buffer = make([]byte, pg.BlockSize)
	}
	var out []byte
	var err error
	switch image.Compression {
	case CompressionPGLZ:
		out, err = pglz.Decompress(s.buffer[:0], image.Stored, want)
	case CompressionLZ4:
		var n int
		n, err = lz4.UncompressBlock(image.Stored, s.buffer[:want])
		if err == nil {
			out = s.buffer[:n]
		}
	case CompressionZSTD:
		out, err = s.unpackZSTD(image.Stored)
	default:
		err = errors.New("unknown compression method")
	}
	if err != nil {
		return nil, err
	}
	if len(out) != want {
		return nil, fmt.Errorf("%d bytes unpack to %d instead of %d", len(image.Stored), len(out), want)
	}
	return out, nil
}

// unpackZSTD bounds the decoder's memory by the page size: a frame that claims
// more is damaged.
func (s *Restorer) unpackZSTD(stored []byte) ([]byte, error) {
	if s.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(pg.BlockSize), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		s.zstd = decoder
	}
	return s.zstd.DecodeAll(stored, s.buffer[:0])
}
