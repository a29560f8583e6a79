#: shows: keys made, a message signed, encrypted and read back, a certificate made and checked
#: needs: openssl
#: setup: echo "a message" > message
export OPENSSL_CONF=/dev/null
openssl genrsa -out key.pem 2048 2> /dev/null && openssl rsa -in key.pem -pubout -out pub.pem 2> /dev/null
openssl dgst -sha256 -sign key.pem -out signature message
openssl dgst -sha256 -verify pub.pem -signature signature message
openssl enc -aes-256-cbc -pbkdf2 -k secret -in message -out encrypted && openssl enc -d -aes-256-cbc -pbkdf2 -k secret -in encrypted
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem && openssl ec -in ec.pem -noout 2> /dev/null && echo ec
openssl req -x509 -config /dev/null -subj /CN=localhost -days 2 -key key.pem -out cert.pem 2> req.log || cat req.log
openssl verify -CAfile cert.pem cert.pem
openssl rand -hex 8 | wc -c
