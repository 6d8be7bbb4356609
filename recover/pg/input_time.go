package pg

// isoDate is the length of a date such as 2025-11-26.
const isoDate = 10

// number2 reads two digits; -1: these are none.
func number2(a, b byte) int {
	if a-'0' > 9 || b-'0' > 9 {
		return -1
	}
	return int(a-'0')*10 + int(b-'0')
}

// certainDate reads a date whose year has four digits, which no DateStyle takes for another.
func certainDate(text []byte) bool {
	high, low := number2(text[0], text[1]), number2(text[2], text[3])
	month, day := number2(text[5], text[6]), number2(text[8], text[9])
	if high < 0 || low < 0 || text[4] != '-' || text[7] != '-' {
		return false
	}
	year := high*100 + low
	if year == 0 || month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= DaysOf(year, month)
}

// DaysOf is how many days a month has, from 1 to 12.
func DaysOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// certainTimestamp is a date, and behind a space or a T a time and an offset from UTC, if
// they are there.
func certainTimestamp(text []byte) bool {
	if len(text) < isoDate || !certainDate(text[:isoDate]) {
		return false
	}
	text = text[isoDate:]
	if len(text) == 0 {
		return true
	}
	if text[0] != ' ' && text[0] != 'T' {
		return false
	}
	text = text[1:]
	n := len(text)
	switch {
	case n > 0 && text[n-1] == 'Z':
		n--
	case n > 6 && (text[n-6] == '+' || text[n-6] == '-') && text[n-3] == ':':
		if !certainOffset(number2(text[n-5], text[n-4]), number2(text[n-2], text[n-1])) {
			return false
		}
		n -= 6
	case n > 5 && (text[n-5] == '+' || text[n-5] == '-'):
		if !certainOffset(number2(text[n-4], text[n-3]), number2(text[n-2], text[n-1])) {
			return false
		}
		n -= 5
	case n > 3 && (text[n-3] == '+' || text[n-3] == '-'):
		if !certainOffset(number2(text[n-2], text[n-1]), 0) {
			return false
		}
		n -= 3
	}
	return certainTime(text[:n])
}

func certainOffset(hours, minutes int) bool {
	return hours >= 0 && hours <= 14 && minutes >= 0 && minutes <= 59
}

// certainTime is HH:MM:SS with up to six digits behind the second.
func certainTime(text []byte) bool {
	if len(text) < 8 || text[2] != ':' || text[5] != ':' {
		return false
	}
	hour, minute, second := number2(text[0], text[1]), number2(text[3], text[4]), number2(text[6], text[7])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return false
	}
	if len(text) == 8 {
		return true
	}
	if text[8] != '.' || len(text) == 9 || len(text) > 15 {
		return false
	}
	for _, c := range text[9:] {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}
