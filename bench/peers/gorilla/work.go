package main

import (
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	duration = 100 * time.Millisecond
	effects  *os.File
)

func address() string {
	if ms, err := strconv.Atoi(os.Getenv("WORK")); err == nil {
		duration = time.Duration(ms) * time.Millisecond
	}
	// Opened now, so that the file is there even if nothing is ever executed.
	if path := os.Getenv("LASTCALL_EFFECTS"); path != "" {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			log.Fatal(err)
		}
		effects = file
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	return "127.0.0.1:" + port
}

// work works on a request, whose first word is its id; notes the id as executed; returns the reply.
func work(request []byte) []byte {
	time.Sleep(duration)
	if effects != nil {
		id, _, _ := strings.Cut(string(request), " ")
		if _, err := effects.WriteString(id + "\n"); err != nil {
			log.Fatal(err)
		}
	}
	return append([]byte("done: "), request...)
}
