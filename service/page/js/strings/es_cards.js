// Spanish translations of the published models' cards, by their English text.

export const cards = {
  'Compresses an image of a handwritten digit to about 50 bytes and restores it.':
    'Comprime la imagen de un dígito manuscrito en unos 50 bytes y la restaura.',
  'Teaching and demonstrations: light strokes on a dark background, 28×28 pixels like MNIST. Images of other sizes are scaled to fit that square.':
    'Docencia y demostraciones: trazos claros sobre fondo oscuro, de 28×28 píxeles como en MNIST. Las imágenes de otros tamaños se ajustan a ese cuadrado.',
  'Trained on digits only: letters and photographs are restored as something like a digit. Lossy: do not use it to store anything that matters.':
    'Entrenado solo con dígitos: las letras y las fotografías se restauran como algo parecido a un dígito. Compresión con pérdida: no lo uses para guardar nada importante.',
  'Continúa un texto al estilo de Cervantes; continues a text in the style of Don Quijote.':
    'Continúa un texto al estilo del Quijote.',
  'Teaching and demonstrations of text generation in a language other than English: it continues a Spanish sentence.':
    'Docencia y demostraciones de generación de texto en un idioma distinto del inglés: continúa una frase en español.',
  'Trained on one novel of 1605 and 1615. Its text imitates the style of the novel, makes little sense, and may express the views of that time about people.':
    'Entrenado con una sola novela, de 1605 y 1615. Su texto imita el estilo de la novela, tiene poco sentido y puede expresar las ideas de aquella época sobre las personas.',
  'Continues a text in the style of Shakespeare\'s plays, character by character.':
    'Continúa un texto al estilo de las obras de Shakespeare, carácter a carácter.',
  'Teaching, demonstrations, and tests of a serving stack: it continues the beginning of a scene.':
    'Docencia, demostraciones y pruebas de un servicio de modelos: continúa el comienzo de una escena.',
  'Trained on a million characters of plays. Its text has the form of a play, makes little sense, uses the language of its time, and may express the views of that time about people. It knows 65 characters: no digits but 3, and no accented letters.':
    'Entrenado con un millón de caracteres de obras de teatro. Su texto tiene la forma de una obra, poco sentido y el lenguaje de su época, y puede expresar las ideas de entonces sobre las personas. Conoce 65 caracteres: ninguna cifra salvo el 3 y ninguna letra con tilde.',
  'Writes the numbers from 1 to 999 in words.':
    'Escribe en palabras, en inglés, los números del 1 al 999.',
  'A first text model to train, publish and query: "482 = " has one correct continuation.':
    'Un primer modelo de texto para entrenar, publicar y consultar: «482 = » tiene una sola continuación correcta.',
  'It knows only the numbers from 1 to 999, and was not trained on all of them.':
    'Solo conoce los números del 1 al 999, y no se entrenó con todos.',
  'Compresses photographs of any size, at one of nine qualities.':
    'Comprime fotografías de cualquier tamaño con una de nueve calidades.',
  'Photographs in colour or grey, as small files: quality 1 takes the fewest bytes, quality 9 is the closest to the original. Images may have any size, and a code made on one machine can be decoded on any other.':
    'Fotografías en color o en gris, como archivos pequeños: la calidad 1 ocupa menos bytes y la 9 es la más fiel al original. Las imágenes pueden tener cualquier tamaño, y un código creado en una máquina se puede decodificar en cualquier otra.',
  'Lossy: do not use it to archive originals. Trained on 400 photographs of 0.15 megapixels, not on drawings, text or screenshots. Trained for one hour on one core to minimise the squared error alone: at low qualities it blurs.':
    'Compresión con pérdida: no lo uses para archivar originales. Entrenado con 400 fotografías de 0,15 megapíxeles, no con dibujos, texto ni capturas de pantalla. Se entrenó durante una hora en un núcleo para minimizar solo el error cuadrático: con calidades bajas, emborrona.',
  'Removes strong Gaussian noise from images of handwritten digits.':
    'Elimina ruido gaussiano fuerte de imágenes de dígitos manuscritos.',
  'Teaching and demonstrations: light strokes on a dark background, 28×28 pixels like MNIST or larger.':
    'Docencia y demostraciones: trazos claros sobre fondo oscuro, de 28×28 píxeles como en MNIST o más grandes.',
  'Trained on handwritten digits only: printed ones come out worse (16.6 dB at σ = 0.5 on ten of them, where denoiser-mnist-mse has 18.3), photographs smeared. Colour images become grey.':
    'Entrenado solo con dígitos manuscritos: los impresos quedan peor (16,6 dB con σ = 0,5 en diez de ellos, donde denoiser-mnist-mse alcanza 18,3) y las fotografías, emborronadas. Las imágenes en color pasan a gris.',
  'Gaussian noise of mean 0.5 and deviation 0.1, clipped to 0–1; Gaussian noise of mean 0 and deviation 0.5, clipped to 0–1':
    'ruido gaussiano de media 0,5 y desviación 0,1, recortado a 0–1; ruido gaussiano de media 0 y desviación 0,5, recortado a 0–1',
  'Removes camera noise from photographs of any size, grey or in colour.':
    'Elimina el ruido de la cámara en fotografías de cualquier tamaño, en gris o en color.',
  'Photographs with camera noise, raw or stored as JPEG, and Gaussian noise with a standard deviation of up to 55 of 255, in grey or in colour. The noise level need not be known; `strength` blends the result with the input. Research and education only, like the training photographs.':
    'Fotografías con el ruido de una cámara, en bruto o guardadas como JPEG, y ruido gaussiano con una desviación típica de hasta 55 de 255, en gris o en color. No hace falta conocer el nivel de ruido; `strength` mezcla el resultado con la imagen de entrada. Solo para investigación y educación, como las fotografías de entrenamiento.',
  'Trained on simulated cameras: one sensor pattern, two demosaicing methods, no noise reduction or sharpening in the camera. Not trained on blur, scratches or film grain. Strong noise hides fine texture, which is lost with it. White with strong noise comes back slightly grey: 6 levels of 255 at a standard deviation of 25. BM3D, which is given the standard deviation, is better on Gaussian noise (docs/photographs.md).':
    'Entrenado con cámaras simuladas: un solo patrón de sensor, dos métodos de interpolación cromática (demosaicing) y ninguna reducción de ruido ni enfoque en la cámara. No se entrenó con desenfoque, arañazos ni grano de película. El ruido fuerte oculta la textura fina, que se pierde con él. El blanco con ruido fuerte vuelve ligeramente gris: 6 niveles de 255 con una desviación típica de 25. BM3D, al que se indica la desviación típica, es mejor con ruido gaussiano (docs/photographs.md).',
  'a camera\'s noise, raw or stored as JPEG; Gaussian noise of mean 0 and deviation 0 to 55 of 255, equal in the channels of grey images, clipped or not':
    'ruido de cámara, en bruto o guardado como JPEG; ruido gaussiano de media 0 y desviación de 0 a 55 de 255, igual en los canales de las imágenes en gris, recortado o no',
  'Generates 64×64-pixel faces of people who do not exist, one for each seed.':
    'Genera caras de 64×64 píxeles de personas que no existen, una por cada semilla.',
  'Teaching and demonstrations of generative adversarial networks. Non-commercial research only, like the training images.':
    'Docencia y demostraciones de redes generativas antagónicas. Solo investigación no comercial, como las imágenes de entrenamiento.',
  'Small and soft: it was trained on two shared CPU cores for about four and a half hours. Most faces are convincing at this size; a few are lopsided or too dark, and hair and backgrounds are smeared. Adults only, cropped and aligned as in UTKFace, with the uneven distribution of ages, sexes and origins of that data set. No face is meant to depict a real person, but none is checked against living people.':
    'Pequeñas y poco nítidas: se entrenó en dos núcleos compartidos durante unas cuatro horas y media. La mayoría de las caras convencen a este tamaño; unas pocas salen torcidas o demasiado oscuras, y el pelo y los fondos quedan emborronados. Solo personas adultas, recortadas y alineadas como en UTKFace, con la distribución desigual de edades, sexos y orígenes de ese conjunto de datos. Ninguna cara pretende representar a una persona real, pero ninguna se ha comparado con personas vivas.',
  'Draws digits stroke by stroke, differently each time.':
    'Dibuja dígitos trazo a trazo, de forma distinta cada vez.',
  'Teaching and demonstrations of a recurrent network that generates: digits as SVG or PNG.':
    'Docencia y demostraciones de una red recurrente que genera: dígitos en SVG o PNG.',
  'Digits from 0 to 9 only. The data do not record where the pen was lifted, so pen lifts were guessed. Some drawings are misshapen, more of them at a low bias.':
    'Solo dígitos del 0 al 9. Los datos no registran dónde se levantó el lápiz, así que esos puntos son estimados. Algunos dibujos salen deformados, sobre todo con un sesgo bajo.',
  'Classifies photographs of ants and bees.':
    'Clasifica fotografías de hormigas y abejas.',
  'Teaching, and a first example of transfer learning: photographs whose subject is an ant or a bee.':
    'Docencia, y un primer ejemplo de aprendizaje por transferencia: fotografías cuyo motivo es una hormiga o una abeja.',
  'It knows two classes: anything else is classified as one of them too, often with confidence. Trained on 397 photographs, most of them close-ups.':
    'Conoce dos clases: cualquier otra cosa también se clasifica como una de ellas, a menudo con seguridad. Entrenado con 397 fotografías, la mayoría primeros planos.',
  'Classifies images into the ten classes of CIFAR-10.':
    'Clasifica imágenes en las diez clases de CIFAR-10.',
  'Teaching, demonstrations, and tests of a serving stack: images filled by one object of the ten classes.':
    'Docencia, demostraciones y pruebas de un servicio de modelos: imágenes en las que un objeto de las diez clases llena el encuadre.',
  'It sees 32×32 pixels and knows ten classes: anything else is classified as one of them too, often with confidence. On photographs it is right less often than on CIFAR-10: on 39 of 65 that show one of the ten things (60 %), with a mean probability of 0.78. Not for decisions about people or safety.':
    'Ve 32×32 píxeles y conoce diez clases: cualquier otra cosa también se clasifica como una de ellas, a menudo con seguridad. Con fotografías acierta menos que con CIFAR-10: 39 de las 65 que muestran una de las diez cosas (60 %), con una probabilidad media de 0,78. No apto para decisiones sobre personas ni sobre seguridad.',
  'Averages the probabilities of 4 networks (resnet-cifar10).':
    'Promedia las probabilidades de 4 redes (resnet-cifar10).',
  'Where higher accuracy is worth 4 times the work of one network.':
    'Para cuando una exactitud mayor compensa 4 veces el trabajo de una sola red.',
  'It sees 32×32 pixels and knows ten classes: anything else is classified as one of them too, often with confidence. On photographs it is right less often than on CIFAR-10: on 38 of 65 that show one of the ten things (58 %), with a mean probability of 0.78. Not for decisions about people or safety.':
    'Ve 32×32 píxeles y conoce diez clases: cualquier otra cosa también se clasifica como una de ellas, a menudo con seguridad. Con fotografías acierta menos que con CIFAR-10: 38 de las 65 que muestran una de las diez cosas (58 %), con una probabilidad media de 0,78. No apto para decisiones sobre personas ni sobre seguridad.',
};
