package api

