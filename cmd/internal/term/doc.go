// Package term is how pgrescue talks to people and to programs.
//
//   - stdout: the result, and nothing else: a Table, JSON, JSON Lines or rows.
//   - stderr: warnings, hints, prompts and progress.
//   - Terminal: both of them, with what is known of the reader: a terminal or a
//     pipe, colour or not, JSON or text.
//   - Table: aligned columns for people.
//   - Progress: a bar on a terminal, a line every ten seconds elsewhere, nothing
//     for what takes less than a second.
//
// The rules of what is printed:
//
//   - Warnings begin with "warning: ", hints with "hint: ", fatal errors with
//     "error: ". Lowercase, no full stop.
//   - With --json a fatal error is one JSON object on stderr; its type is "error".
//   - Colour only helps the eye; no meaning is in colour alone.
//   - Text that comes from the evidence (names, messages) is made printable
//     first, so that a damaged catalog cannot send codes to the terminal.
//
// The package is the only user of the progressbar library.
package term
