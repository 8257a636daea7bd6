"""Old and new code side by side: what each release stores and sends, read by the other."""
