package xlsxfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	textBlock   = 1 << 20
	keptBlocks  = 96 // of text in memory; the others are in a file
	mostStrings = 32 << 20
)

// sharedStrings are the texts that the cells of all sheets refer to by number.
type sharedStrings struct {
	blocks [][]byte // of texts, each behind its length
	places [][]uint32
	count  int
	used   int      // of the last block
	file   *os.File // of the blocks that are not kept in memory
	bad    string   // why those behind the last could not be read
	flaws  map[uint32]gathered
	check  string // what is wrong with the part as a whole
	buffer []byte
}

const placesBlock = 1 << 16

// readSharedStrings reads them all: a sheet refers to them in no order.
func readSharedStrings(c *container, part string) (*sharedStrings, error) {
	st := &sharedStrings{flaws: make(map[uint32]gathered)}
	if part == "" {
		return st, nil
	}
	r, err := c.open(part)
	if err != nil {
		st.bad = err.Error()
		return st, nil
	}
	defer r.Close()
	err = st.read(newScanner(r))
	switch {
	case err == nil:
	case damaged(err):
		st.bad = err.Error()
		// What is behind the damage could be counted wrongly. Its checksum is still of interest.
		if _, err := io.Copy(io.Discard, r); err != nil {
			st.check = err.Error()
		}
	case errors.Is(err, errSpill):
		return st, err
	default:
		st.check = err.Error()
		st.bad = err.Error()
	}
	return st, nil
}

// errSpill tells that the temporary file could not be written.
var errSpill = errors.New("shared strings: write temporary file")

func (st *sharedStrings) read(s *scanner) error {
	v, err := readRoot(s)
	if err != nil {
		return err
	}
	if v.root != "sst" {
		return &structureError{"it is a " + v.root + " and holds no shared strings"}
	}
	var text []byte
	for {
		found, err := s.next()
		if err != nil || found == tokenEnd {
			return err
		}
		if found != tokenOpen {
			continue
		}
		switch string(v.local(s.name)) {
		case "si":
		case "extLst", "":
			if err := s.skip(); err != nil {
				return err
			}
			continue
		default:
			return &structureError{"<" + short(s.name) + "> where a shared string is due"}
		}
		var g gathered
		if text, err = s.rich(v, text[:0], &g); err != nil {
			return err
		}
		if g.flaw != "" {
			if len(st.flaws) < mostStrings/32 {
				st.flaws[uint32(st.count)] = g
			}
		}
		if err := st.add(text); err != nil {
			return err
		}
	}
}

func (st *sharedStrings) add(text []byte) error {
	size := len(text) + binary.MaxVarintLen32
	if size > textBlock {
		return &structureError{fmt.Sprintf("shared string %d is longer than %d KiB", st.count, textBlock>>10)}
	}
	if st.count == mostStrings {
		return &structureError{fmt.Sprintf("more than %d shared strings", mostStrings)}
	}
	if len(st.blocks) == 0 || st.used+size > textBlock {
		if err := st.newBlock(); err != nil {
			return err
		}
	}
	last := len(st.blocks) - 1
	if st.count%placesBlock == 0 {
		st.places = append(st.places, make([]uint32, 0, placesBlock))
	}
	group := &st.places[len(st.places)-1]
	*group = append(*group, uint32(last)*textBlock+uint32(st.used))
	block := binary.AppendUvarint(st.blocks[last][:st.used], uint64(len(text)))
	st.blocks[last] = append(block, text...)
	st.used = len(st.blocks[last])
	st.count++
	return nil
}

// newBlock begins a block of texts. Beyond those that are kept, the one before goes to a file.
func (st *sharedStrings) newBlock() error {
	last := len(st.blocks) - 1
	if last == 1<<12-1 {
		return &structureError{fmt.Sprintf("the shared strings are longer than %d MiB", textBlock>>20<<12)}
	}
	var block []byte
	if last >= keptBlocks {
		if err := st.spill(last); err != nil {
			return fmt.Errorf("%w: %w", errSpill, err)
		}
		block, st.blocks[last] = st.blocks[last][:0], nil
	} else {
		block = make([]byte, 0, textBlock)
	}
	st.blocks = append(st.blocks, block)
	st.used = 0
	return nil
}

func (st *sharedStrings) spill(block int) error {
	if st.file == nil {
		file, err := temporaryFile("pgrescue-strings-")
		if err != nil {
			return err
		}
		st.file = file
	}
	_, err := st.file.WriteAt(st.blocks[block], int64(block)*textBlock)
	return err
}

// close removes the temporary file.
func (st *sharedStrings) close() error {
	if st.file == nil {
		return nil
	}
	err := closeTemporary(st.file)
	st.file = nil
	return err
}

// at is the text with a number. It is valid until the call after.
func (st *sharedStrings) at(number int) ([]byte, error) {
	if number < 0 || number >= st.count {
		return nil, fmt.Errorf("there is no shared string %d", number)
	}
	place := st.places[number/placesBlock][number%placesBlock]
	block, begin := place/textBlock, place%textBlock
	if kept := st.blocks[block]; kept != nil {
		size, n := binary.Uvarint(kept[begin:])
		begin += uint32(n)
		return kept[begin : begin+uint32(size)], nil
	}
	return st.fromFile(int64(place))
}

func (st *sharedStrings) fromFile(place int64) ([]byte, error) {
	const enough = 512
	if cap(st.buffer) < enough {
		st.buffer = make([]byte, enough)
	}
	b := st.buffer[:enough]
	got, err := st.file.ReadAt(b, place)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	size, n := binary.Uvarint(b[:got])
	if n <= 0 || size > textBlock {
		return nil, errors.New("the temporary file of the shared strings was changed")
	}
	if n+int(size) <= got {
		return b[n : n+int(size)], nil
	}
	if cap(st.buffer) < int(size) {
		st.buffer = make([]byte, size)
	}
	b = st.buffer[:size]
	if _, err := st.file.ReadAt(b, place+int64(n)); err != nil {
		return nil, err
	}
	return b, nil
}
