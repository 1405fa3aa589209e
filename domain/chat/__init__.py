"""Conversations: between a patient and advisors, and between a patient and a doctor."""
