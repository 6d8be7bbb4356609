package xlsxfile

import (
	"fmt"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/importers"
)

// A shower lets excelize show numbers as Excel would. It does so in a workbook of its own, into
// which only the number and the code of its format go: no part of the file that is read.
type shower struct {
	file   *excelize.File
	styled map[string]int // the style in that workbook of each format
	known  map[shownNumber]string
}

type shownNumber struct{ format, number string }

const (
	showSheet = "Sheet1"
	mostShown = 1 << 16 // of numbers whose look is remembered
	// longestCode is Excel's own bound of the code of a format.
	longestCode = 255
)

func newShower(from1904 bool) (*shower, error) {
	s := &shower{file: excelize.NewFile(), styled: make(map[string]int), known: make(map[shownNumber]string)}
	if err := s.file.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &from1904}); err != nil {
		return nil, fmt.Errorf("xlsx: prepare to show numbers: %w", err)
	}
	return s, nil
}

func (s *shower) close() error { return s.file.Close() }

// showNumber is the number as Excel shows it.
func (v *values) showNumber(raw []byte, format *numberFormat) importers.Field {
	text, err := v.shown.show(string(raw), format)
	if err != nil {
		return unknown("%.40s cannot be shown with its format: %v", raw, err)
	}
	return asText(v.keep([]byte(text)))
}

func (s *shower) show(number string, format *numberFormat) (string, error) {
	if utf8.RuneCountInString(format.code) > longestCode {
		return "", fmt.Errorf("the format is longer than %d characters", longestCode)
	}
	name := format.code
	if name == "" {
		name = fmt.Sprint(format.id)
	}
	key := shownNumber{format: name, number: number}
	if text, ok := s.known[key]; ok {
		return text, nil
	}
	style, ok := s.styled[name]
	if !ok {
		var err error
		if style, err = s.newStyle(format); err != nil {
			return "", err
		}
		s.styled[name] = style
	}
	if err := s.file.SetCellStyle(showSheet, "A1", "A1", style); err != nil {
		return "", err
	}
	if err := s.file.SetCellDefault(showSheet, "A1", number); err != nil {
		return "", err
	}
	text, err := s.file.GetCellValue(showSheet, "A1")
	if err != nil {
		return "", err
	}
	if len(s.known) == mostShown {
		clear(s.known)
	}
	s.known[key] = text
	return text, nil
}

func (s *shower) newStyle(format *numberFormat) (int, error) {
	if format.code != "" {
		return s.file.NewStyle(&excelize.Style{CustomNumFmt: &format.code})
	}
	return s.file.NewStyle(&excelize.Style{NumFmt: format.id})
}
