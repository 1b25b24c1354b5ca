"""Phrases that a recogniser shall prefer: files of them, their spellings, tables for devices."""
