"""The instructor's tool: a folder of submissions in, marks out that a student cannot forge."""
