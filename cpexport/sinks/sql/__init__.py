"""What SQL destinations share."""
