"""yolo11n-plate: a YOLO11n trained from scratch to find number plates and vehicles."""
